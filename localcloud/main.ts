// The process behind `mlt local start`: one local cloud on a state folder, until it is told to stop.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Daemon, describeFile, LONG_TOKEN_SECONDS } from "./daemon.ts";
import { chooseDriver, type GuestLevel } from "./guests/index.ts";
import { type LocalCloud, type LocalCloudOptions, startLocalCloud } from "./server.ts";

const { values } = parseArgs({
  options: {
    state: { type: "string" },
    project: { type: "string" },
    guest: { type: "string" },
    services: { type: "string" },
  },
});

const log = (line: string) => console.log(`${new Date().toISOString()} ${line}`);

async function main(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const driver = await chooseDriver(values.guest as GuestLevel | undefined, log);
  await driver.prepare(log);
  let local: LocalCloud | undefined;
  let stopping = false;
  const stop = (why: string) => {
    if (stopping) return;
    stopping = true;
    log(`stopping: ${why}`);
    rmSync(describeFile(folder), { force: true });
    Promise.resolve(local?.close()).then(
      () => {
        log("stopped");
        process.exit(0);
      },
      (error: unknown) => {
        log(`did not stop cleanly: ${String(error)}`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  // A mistake must not leave guests behind: end them, and say so.
  process.on("uncaughtException", (error) => stop(`a mistake in the local cloud: ${error.stack ?? error}`));
  local = await startLocalCloud({
    stateFolder: folder,
    driver,
    project: values.project?.split(",")[0],
    otherProjects: values.project?.split(",").slice(1),
    ports: portsBefore(folder),
    enabledServices: values.services === "all" ? "all" : values.services?.split(",").filter(Boolean),
    log,
    onShutdown: () => stop("asked to"),
  });
  const token = local.cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
  const daemon: Daemon = {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    project: local.project,
    projects: values.project?.split(",") ?? [local.project],
    guest: driver.level,
    url: local.url,
    operatorUrl: local.operatorUrl,
    metadataUrl: local.metadataUrl,
    token,
  };
  const file = describeFile(folder);
  writeFileSync(`${file}.new`, JSON.stringify(daemon, null, 2), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  const portOf = (url: string) => Number(new URL(url).port);
  const ports = { closed: portOf(local.url), open: portOf(local.operatorUrl), metadata: portOf(local.metadataUrl) };
  writeFileSync(portsFile(folder), JSON.stringify(ports));
  log(`ready: ${local.operatorUrl}`);
}

function portsFile(folder: string): string {
  return join(folder, "ports.json");
}

/** The ports of the last time: variables that a shell got then stay right. */
function portsBefore(folder: string): LocalCloudOptions["ports"] {
  try {
    return JSON.parse(readFileSync(portsFile(folder), "utf8")) as LocalCloudOptions["ports"];
  } catch {
    return undefined;
  }
}

const folder = values.state;
if (!folder) {
  console.error("localcloud/main.ts needs --state FOLDER.");
  process.exit(64);
}
main(join(folder)).catch((error: unknown) => {
  log(`failed: ${error instanceof Error ? error.message : String(error)}`);
  if (process.env.MLT_DEBUG === "1") console.error(error);
  process.exit(1);
});
