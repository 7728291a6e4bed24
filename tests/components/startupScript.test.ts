import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { METADATA_VALUE_LIMIT, startupScript } from "../../components/startupScript.ts";

const SCRIPTS = new URL("../../startup-scripts/", import.meta.url);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "startup-"));
  t.after(() => rmSync(path, { recursive: true }));
  for (const name of ["lib", "python", "supervisor", "units"]) mkdirSync(join(path, name));
  writeFileSync(join(path, "lib/common.sh"), '#!/usr/bin/env bash\nhello() { echo "hello $1"; }\n');
  writeFileSync(
    join(path, "main.sh"),
    '#!/usr/bin/env bash\nhello world\nbase64 -d <<<"$MLT_FILES_BASE64" | tar -xzO "$1"\n',
  );
  writeFileSync(join(path, "supervisor/b.py"), "print('b')\n");
  writeFileSync(join(path, "supervisor/a.py"), 'quote = "it\'s $HOME `x` %y"\n');
  writeFileSync(join(path, "supervisor/a.pyc"), "no");
  writeFileSync(join(path, "units/x.service"), "[Unit]\n");
  return path;
}

test("the machine's script is the functions, the files and the main script, in this order", (t) => {
  const path = folder(t);
  const script = startupScript("main.sh", path);
  assert.ok(script.startsWith('#!/usr/bin/env bash\nhello() { echo "hello $1"; }\n\nreadonly MLT_FILES_BASE64='));
  assert.ok(script.endsWith('\n\nhello world\nbase64 -d <<<"$MLT_FILES_BASE64" | tar -xzO "$1"\n'));
  assert.equal(script.match(/^#!/gm)?.length, 1);
});

test("files arrive as they are, whatever quotes are in them", (t) => {
  const path = folder(t);
  const file = join(path, "joined.sh");
  writeFileSync(file, startupScript("main.sh", path));
  const run = (name: string): string => execFileSync("bash", [file, name], { encoding: "utf8" });
  assert.equal(run("supervisor/a.py"), 'hello world\nquote = "it\'s $HOME `x` %y"\n');
  assert.equal(run("units/x.service"), "hello world\n[Unit]\n");
});

test("the same files give the same bytes, whatever their times; another file gives others", (t) => {
  const path = folder(t);
  const first = startupScript("main.sh", path);
  utimesSync(join(path, "supervisor/a.py"), 1, 1);
  writeFileSync(join(path, "supervisor/z.txt"), "not packed");
  assert.equal(startupScript("main.sh", path), first);
  writeFileSync(join(path, "supervisor/b.py"), "print('c')\n");
  assert.notEqual(startupScript("main.sh", path), first);
});

test("Windows' line ends do not reach the machine", (t) => {
  const path = folder(t);
  const first = startupScript("main.sh", path);
  for (const name of ["main.sh", "lib/common.sh", "supervisor/b.py"]) {
    const file = join(path, name);
    writeFileSync(file, readFileSync(file, "utf8").replaceAll("\n", "\r\n"));
  }
  assert.equal(startupScript("main.sh", path), first);
});

test("a script that Google would refuse is refused here", (t) => {
  const path = folder(t);
  // What cannot be compressed: the stream of a hash.
  const lines = Array.from({ length: 8000 }, (_, line) => createHash("sha256").update(`${line}`).digest("hex"));
  writeFileSync(join(path, "supervisor/big.py"), lines.join("\n"));
  assert.throws(
    () => startupScript("main.sh", path),
    /main\.sh has \d+ bytes; Google takes at most 262144 in a metadata value/,
  );
});

test("the trainer's script fits, parses, and carries every file of python/, supervisor/ and units/", (t) => {
  const script = startupScript("trainer.sh");
  assert.ok(Buffer.byteLength(script) < METADATA_VALUE_LIMIT);
  const path = folder(t);
  writeFileSync(join(path, "trainer.sh"), script);
  assert.equal(spawnSync("bash", ["-n", join(path, "trainer.sh")]).status, 0);
  const [, packed] = /^readonly MLT_FILES_BASE64='([A-Za-z0-9+/=]+)'$/m.exec(script) ?? [];
  const listed = execFileSync("tar", ["-tz"], { input: Buffer.from(packed ?? "", "base64"), encoding: "utf8" })
    .trim()
    .split("\n");
  const files = (name: string, ending: string): string[] =>
    readdirSync(new URL(name, SCRIPTS))
      .filter((file) => file.endsWith(ending))
      .map((file) => `${name}/${file}`);
  assert.deepEqual(
    listed,
    [...files("python", ".py"), ...files("supervisor", ".py"), ...files("units", ".service")].sort(),
  );
});
