import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { debianPackage } from "./deb.ts";

const MODULE = "github.com/googlecloudplatform/gcsfuse/v3";
/** As `go.mod` beside this file pins it. */
export const GCSFUSE_VERSION = "3.11.4";
const LOCK_POLL_MS = 500;

/** Debian's name of this machine's processors, which are the guests' too. */
export const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";

type Progress = (line: string) => void;

/** Where the package lies once it is built: outside the repository; `ML_TRAINING_CACHE` moves it. */
export function gcsfusePackage(): string {
  const cache = process.env.ML_TRAINING_CACHE ?? join(homedir(), ".cache", "ml-training");
  // Another list of modules, or another recipe, is another package.
  const recipe = createHash("sha256");
  for (const file of ["go.mod", "go.sum", "deb.ts", "gcsfuse.ts"]) {
    recipe.update(readFileSync(join(import.meta.dirname, file)));
  }
  const name = `gcsfuse_${GCSFUSE_VERSION}_${ARCHITECTURE}.deb`;
  return join(cache, "gcsfuse", recipe.digest("hex").slice(0, 12), name);
}

/**
 * The Debian package of the real gcsfuse, built from the Go modules that `go.mod` and `go.sum` pin; once, for all
 * processes, in one to three minutes. Rejects with what is missing.
 */
export async function ensureGcsfuse(progress: Progress): Promise<string> {
  const path = gcsfusePackage();
  if (existsSync(path)) return path;
  const folder = join(path, "..");
  mkdirSync(folder, { recursive: true });
  const release = await lock(join(folder, ".building"), progress);
  try {
    if (existsSync(path)) return path;
    const go = await goVersion();
    if (!go) {
      throw new Error(
        "gcsfuse cannot be built because Go is missing. Install Go 1.26.7 or newer: https://go.dev/doc/install",
      );
    }
    progress(`gcsfuse: building ${GCSFUSE_VERSION} from its Go modules with ${go} (one to three minutes, once; 20 MB)`);
    const made = join(folder, `.new-${randomBytes(4).toString("hex")}`);
    mkdirSync(made);
    try {
      const version = `-X ${MODULE}/common.gcsfuseVersion=${GCSFUSE_VERSION}`;
      await compile(join(made, "gcsfuse"), version, progress);
      writeFileSync(join(made, "deb"), pack(made));
      renameSync(join(made, "deb"), path);
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
    return path;
  } finally {
    release();
  }
}

/** What the real package says of itself, in the main. It also has `mount.gcsfuse`, for fstab, which is left out here. */
export function gcsfuseControl(): string {
  return [
    "Package: gcsfuse",
    `Version: ${GCSFUSE_VERSION}`,
    `Architecture: ${ARCHITECTURE}`,
    "Maintainer: nobody <nobody@localhost>",
    "Depends: fuse",
    "Section: utils",
    "Priority: optional",
    "Homepage: https://github.com/GoogleCloudPlatform/gcsfuse",
    "Description: User-space file system for Google Cloud Storage, built for the local cloud",
    "",
  ].join("\n");
}

function pack(folder: string): Buffer {
  const folders = ["usr/", "usr/bin/"].map((path) => ({ path, mode: 0o755 }));
  const program = { path: "usr/bin/gcsfuse", content: readFileSync(join(folder, "gcsfuse")), mode: 0o755 };
  return debianPackage(gcsfuseControl(), [...folders, program]);
}

async function goVersion(): Promise<string | undefined> {
  try {
    return (await promisify(execFile)("go", ["env", "GOVERSION"])).stdout.trim();
  } catch {
    return undefined;
  }
}

function compile(output: string, version: string, progress: Progress): Promise<void> {
  const args = ["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", `-s -w ${version}`, "-o", output];
  // Without C: the guest's system libraries may be older than this machine's.
  const env = { ...process.env, CGO_ENABLED: "0", GOOS: "linux" };
  const child = spawn("go", [...args, MODULE], { cwd: import.meta.dirname, env, stdio: ["ignore", "ignore", "pipe"] });
  const started = Date.now();
  const still = setInterval(() => {
    progress(`gcsfuse: still building (${Math.round((Date.now() - started) / 1000)} s)`);
  }, 30_000);
  let said = "";
  child.stderr.on("data", (data: Buffer) => {
    said = (said + data.toString()).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearInterval(still);
      if (code === 0) resolve();
      else reject(new Error(`go build of gcsfuse failed (exit ${code}):\n${said.trim()}`));
    });
  });
}

/** One builder at a time: the others wait for its result. A lock whose owner is gone is taken over. */
async function lock(path: string, progress: Progress): Promise<() => void> {
  let told = false;
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = Number(existsSync(path) ? readFileSync(path, "utf8") : "");
    if (owner > 0 && !isAlive(owner)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!told) progress(`gcsfuse: process ${owner} is building it already; waiting`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
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
