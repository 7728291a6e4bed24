import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { TRANSITIONS } from "../../training/status.ts";
import { REPOSITORY, run } from "../helpers/shell.ts";

// The oldest and the newest Python that the guests' images have; those that this machine lacks are named as skipped.
for (const python of ["python3", "python3.9", "python3.11", "python3.12", "python3.13"]) {
  test(`the supervisor's unit tests under ${python}`, async (t) => {
    if (spawnSync(python, ["-c", "pass"]).status !== 0) return t.skip(`this machine has no ${python}`);
    const ran = await run(python, ["-B", "-m", "unittest", "discover", "-s", "tests/startup-scripts/python"], {
      env: {
        PATH: process.env.PATH!,
        PYTHONPATH: join(REPOSITORY, "startup-scripts"),
        GUEST_TRANSITIONS: JSON.stringify(TRANSITIONS.guest),
      },
    });
    assert.equal(ran.status, 0, ran.stderr);
    // `unittest` ends well when it finds nothing, too.
    assert.match(ran.stderr, /Ran 1\d\d tests/);
  });
}
