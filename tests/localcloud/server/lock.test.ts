import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const LOCK = new URL("../../../localcloud/lock.ts", import.meta.url).href;
const TYPESCRIPT = fileURLToPath(new URL("../../../cli/typescript.js", import.meta.url));

/** Takes the lock, says so, and holds it until its input ends. */
const HOLDER = `
  const { lockState } = await import(${JSON.stringify(LOCK)});
  let release;
  try { release = lockState(process.argv[1]); console.log("held"); } catch (error) { console.log(error.constructor.name); }
  process.stdin.resume().on("end", () => { release?.(); process.exit(0); });
`;

test("of many that start at once on a killed one's folder, one goes on", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "lock test "));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const dead = spawn(process.execPath, ["-e", ""]);
  await once(dead, "exit");
  writeFileSync(join(folder, "lock"), String(dead.pid));
  const holders = Array.from({ length: 6 }, () => {
    const flags = ["--import", TYPESCRIPT, "--input-type=module", "-e", HOLDER, folder];
    return spawn(process.execPath, flags, { stdio: ["pipe", "pipe", "inherit"] });
  });
  const said = await Promise.all(holders.map(async ({ stdout }) => String((await once(stdout, "data"))[0]).trim()));
  for (const { stdin } of holders) stdin.end();
  await Promise.all(holders.map((holder) => once(holder, "exit")));
  assert.deepEqual(said.sort(), [...Array(5).fill("StateInUseError"), "held"]);
  assert.deepEqual(readdirSync(folder), [], "the lock is gone with its holder");
});
