import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { guestCache } from "../cache.ts";
import { runOrThrow } from "../command.ts";
import { aptSettings } from "../hostSettings.ts";
import { seconds } from "../packages.ts";
import { EXCLUDED_PATHS, EXECUTABLES, FILES, LINKS, PACKAGES, REMOVED, SUITE } from "./files.ts";
import { debianSources } from "./mirror.ts";

/** The cache folder of this recipe: another recipe has another folder, so nothing stale is ever booted. */
export function recipeFolder(): string {
  const recipe = JSON.stringify([SUITE, PACKAGES, EXCLUDED_PATHS, FILES, EXECUTABLES, LINKS, REMOVED]);
  return guestCache(`debian-${SUITE}-${createHash("sha256").update(recipe).digest("hex").slice(0, 12)}`);
}

export function rootArchive(): string {
  return join(recipeFolder(), "root.tar");
}

/** Builds the root file system's archive with mmdebstrap, unless it is there; as root, or in a user namespace. */
export async function ensureRootArchive(progress: (line: string) => void): Promise<string> {
  const archive = rootArchive();
  if (existsSync(archive)) return archive;
  const start = Date.now();
  progress(`Building a Debian ${SUITE} root file system with Google's guest agent (about half a minute): ${archive}`);
  await inTemporaryFolder(recipeFolder(), async (work) => {
    const files = join(work, "files.tar");
    await archiveOwnFiles(join(work, "files"), files);
    const target = join(work, "root.tar");
    const sources = debianSources();
    const settings = (await aptSettings()).map((line) => `--aptopt=${line}`);
    const excluded = EXCLUDED_PATHS.map((path) => `--dpkgopt=path-exclude=${path}`);
    // The build works in TMPDIR, where a small /tmp would not do.
    const options = { env: { ...process.env, TMPDIR: work } };
    const mode = process.getuid?.() === 0 ? "root" : "unshare";
    await runOrThrow(
      "mmdebstrap",
      [
        `--mode=${mode}`,
        "--variant=minbase",
        ...settings,
        ...excluded,
        `--include=${PACKAGES.join(",")}`,
        `--customize-hook=tar-in "${files}" /`,
        ...REMOVED.map((path) => `--customize-hook=rm -f "$1/${path}"`),
        SUITE,
        target,
        ...sources,
      ],
      options,
    );
    renameSync(target, archive);
  });
  progress(`Built the root file system in ${seconds(start)}`);
  return archive;
}

async function archiveOwnFiles(folder: string, archive: string): Promise<void> {
  const place = (path: string) => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    return file;
  };
  for (const [path, content] of Object.entries(FILES)) writeFileSync(place(path), content, { mode: 0o644 });
  for (const [path, content] of Object.entries(EXECUTABLES)) {
    writeFileSync(place(path), content);
    chmodSync(place(path), 0o755);
  }
  for (const [path, target] of Object.entries(LINKS)) symlinkSync(target, place(path));
  const owner = ["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"];
  await runOrThrow("tar", [...owner, "-C", folder, "-cf", archive, "."]);
}

/** Runs `work` with a folder that is gone afterwards, on the same file system as `beside`, so results can be renamed. */
export async function inTemporaryFolder(beside: string, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(beside, "build-"));
  // mmdebstrap's unprivileged programs (apt's own user) read what lies here.
  chmodSync(folder, 0o755);
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
