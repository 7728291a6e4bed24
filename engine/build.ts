import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const MODULE = "github.com/pulumi/pulumi";
const LOCK_POLL_MS = 500;

export interface Build {
  path: string;
  version: string;
  progress: (line: string) => void;
  environment: NodeJS.ProcessEnv;
}

/** Builds the Pulumi CLI from the Go modules that `go.mod` and `go.sum` beside this file pin, once for all processes. */
export async function buildPulumi(build: Build): Promise<void> {
  const folder = dirname(build.path);
  mkdirSync(folder, { recursive: true });
  const release = await lock(join(folder, ".building"), build);
  try {
    if (existsSync(build.path)) return;
    const go = await goVersion(build.environment);
    if (!go) {
      throw new Error(
        "The Pulumi CLI is not on the path, Pulumi's installer could not fetch it, and it cannot be built because Go is missing.\n" +
          "Install one of them: Pulumi (https://www.pulumi.com/docs/install/) or Go 1.26 or newer (https://go.dev/doc/install).",
      );
    }
    build.progress(
      `Pulumi CLI: building ${build.version} from its Go modules with ${go} (3 to 5 minutes, once; 114 MB)`,
    );
    const made = join(folder, `.new-${randomBytes(4).toString("hex")}`);
    try {
      await compile(made, build);
      chmodSync(made, 0o755);
      renameSync(made, build.path);
    } finally {
      rmSync(made, { force: true });
    }
  } finally {
    release();
  }
}

async function goVersion(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("go", ["env", "GOVERSION"], { env: environment });
    return stdout.trim();
  } catch {
    return undefined;
  }
}

function compile(output: string, { version, environment, progress }: Build): Promise<void> {
  const flags = `-s -w -X ${MODULE}/sdk/v3/go/common/version.Version=${version}`;
  const args = [
    "build",
    "-mod=readonly",
    "-buildvcs=false",
    "-ldflags",
    flags,
    "-o",
    output,
    `${MODULE}/pkg/v3/cmd/pulumi`,
  ];
  const child = spawn("go", args, { cwd: import.meta.dirname, env: environment });
  const started = Date.now();
  const still = setInterval(
    () => progress(`Pulumi CLI: still building (${Math.round((Date.now() - started) / 1000)} s)`),
    30_000,
  );
  let last = "";
  child.stderr.on("data", (data: Buffer) => {
    last = (last + data.toString()).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearInterval(still);
      if (code === 0) resolve();
      else reject(new Error(`go build of the Pulumi CLI failed (exit ${code}):\n${last.trim()}`));
    });
  });
}

/** One builder at a time: the others wait for its result. A lock whose owner is gone is taken over. */
async function lock(path: string, { progress }: Build): Promise<() => void> {
  let told = false;
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = Number(readOwner(path));
    if (owner > 0 && !isAlive(owner)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!told) progress(`Pulumi CLI: process ${owner} is building it already; waiting`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
}

function readOwner(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
