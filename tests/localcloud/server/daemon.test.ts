import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  type Daemon,
  daemonStatus,
  describeFile,
  logFile,
  type StartOptions,
  startDaemon,
  stopDaemon,
} from "../../../localcloud/daemon.ts";
import type { GuestLevel } from "../../../localcloud/guests/guest.ts";
import { isAlive } from "../../../localcloud/lock.ts";

const hook = pathToFileURL(join(import.meta.dirname, "../../../cli/typescript.js")).href;

function setUp(t: TestContext): StartOptions {
  const stateFolder = mkdtempSync(join(tmpdir(), "daemon-"));
  t.after(async () => {
    await stopDaemon(stateFolder);
    rmSync(stateFolder, { recursive: true, force: true });
  });
  return { stateFolder, guest: "process", nodeArguments: ["--import", hook] };
}

test("a local cloud outlives who started it, is there once, and ends when told", async (t) => {
  if (process.platform === "win32") return t.skip("guests as processes need Linux or macOS");
  const options = setUp(t);
  const { stateFolder } = options;
  assert.equal(await daemonStatus(stateFolder), undefined);
  assert.equal(await stopDaemon(stateFolder), false);

  const lines: string[] = [];
  const first = await startDaemon({ ...options, progress: (line) => lines.push(line) });
  assert.equal(first.started, true);
  assert.ok(
    lines.some((line) => line.startsWith("ready: http://127.0.0.1:")),
    lines.join("\n"),
  );
  const again = await startDaemon({ stateFolder });
  assert.deepEqual(again, { daemon: first.daemon, started: false });
  await assert.rejects(
    startDaemon({ stateFolder, project: "other-project" }),
    /runs already, with project local-project, not other-project/,
  );

  const { url, operatorUrl, token, pid } = first.daemon;
  const body = JSON.stringify({ name: "kept-bucket-1" });
  const made = await fetch(`${operatorUrl}/storage/v1/b?project=local-project`, { method: "POST", body });
  assert.equal(made.status, 200);
  const buckets = async (daemon: Daemon) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${daemon.url}/storage/v1/b?project=local-project`, { headers });
    const { items = [] } = (await response.json()) as { items?: { name: string }[] };
    return items.map(({ name }) => name);
  };
  assert.deepEqual(await buckets(first.daemon), ["kept-bucket-1"]);

  assert.equal(await stopDaemon(stateFolder), true);
  assert.equal(isAlive(pid), false);
  assert.equal(existsSync(describeFile(stateFolder)), false);
  assert.equal(existsSync(join(stateFolder, "lock")), false);
  await assert.rejects(fetch(url));
  assert.match(readFileSync(logFile(stateFolder), "utf8"), /stopping: asked to\n.* stopped\n$/);

  const second = await startDaemon(options);
  assert.equal(second.started, true);
  assert.deepEqual(await buckets(first.daemon), ["kept-bucket-1"], "ports, token and bucket outlast a restart");

  await stopDaemon(stateFolder);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(Number(new URL(url).port), "127.0.0.1", resolve));
  t.after(() => other.close());
  const third = await startDaemon(options);
  assert.notEqual(third.daemon.url, url, "a port that is taken meanwhile is left to whom has it");
  assert.deepEqual(await buckets(third.daemon), ["kept-bucket-1"]);
});

test("what keeps it from starting is told", async (t) => {
  const options = setUp(t);
  await assert.rejects(
    startDaemon({ ...options, guest: "vax" as GuestLevel }),
    /The local cloud did not start: it ended with 1\.\n.*There is no guest level "vax"/s,
  );
  await assert.rejects(
    startDaemon({ ...options, services: "nothing.googleapis.com" }),
    /does not know the services nothing\.googleapis\.com/,
  );
  const file = join(options.stateFolder, "a-file");
  writeFileSync(file, "");
  await assert.rejects(startDaemon({ ...options, stateFolder: file }), /a-file is none \(.*--state FOLDER/);
  await assert.rejects(startDaemon({ ...options, project: "A" }), /A project id has 6 to 30 small letters/);
});

test("a description that a killed process left is not believed", async (t) => {
  const { stateFolder } = setUp(t);
  const left: Daemon = {
    pid: process.pid,
    startedAt: "",
    project: "p",
    guest: "process",
    url: "http://127.0.0.1:9",
    operatorUrl: "http://127.0.0.1:9",
    metadataUrl: "http://127.0.0.1:9",
    token: "",
  };
  writeFileSync(describeFile(stateFolder), JSON.stringify(left));
  assert.equal(await daemonStatus(stateFolder), undefined);
  await assert.rejects(stopDaemon(stateFolder), /does not answer as the local cloud/);
  writeFileSync(describeFile(stateFolder), JSON.stringify({ ...left, pid: 2 ** 22 + 1 }));
  assert.equal(await stopDaemon(stateFolder), false);
  writeFileSync(describeFile(stateFolder), "{ half");
  assert.equal(await daemonStatus(stateFolder), undefined);
});
