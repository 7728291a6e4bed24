import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { DiskContent } from "../guest.ts";

// A process guest's disk is a folder of this host, and an image of it a copy. Programs note where they were installed:
// what they noted is moved to the new folder.

/** The root folder of a guest's own files; made from the image's, if there is one. */
export function ensureProcessDisk({ diskFolder, imageFolders = [] }: DiskContent): string {
  const root = join(diskFolder, "root");
  const [image] = imageFolders;
  if (existsSync(root) || image === undefined) {
    mkdirSync(root, { recursive: true });
    return root;
  }
  const from = join(image, "root");
  if (!existsSync(from)) throw new Error(`The image's folder has no root folder: ${from}`);
  const unfinished = `${root}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  copy(from, unfinished);
  move(unfinished, readFileSync(join(image, "root-path"), "utf8"), root);
  renameSync(unfinished, root);
  return root;
}

/** Keeps a guest's own files, and where they were. */
export async function saveProcessDisk(disk: DiskContent, to: string): Promise<void> {
  const root = ensureProcessDisk(disk);
  mkdirSync(to, { recursive: true });
  copy(root, join(to, "root"));
  writeFileSync(join(to, "root-path"), root);
}

function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}

/** Programs' first lines, settings of virtual environments and the like are small. */
const LARGEST_BYTES = 256 * 1024;

/** Replaces the folder `old` in links, in what lies in folders of programs, and in small files of settings. */
function move(folder: string, old: string, now: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) move(path, old, now);
    else if (entry.isSymbolicLink()) {
      const target = readlinkSync(path);
      if (target !== old && !target.startsWith(`${old}/`)) continue;
      rmSync(path);
      symlinkSync(now + target.slice(old.length), path);
    } else if (
      entry.isFile() &&
      (basename(folder) === "bin" || /\.(cfg|conf|env|json|pth|service|sh)$/.test(entry.name))
    ) {
      if (lstatSync(path).size > LARGEST_BYTES) continue;
      const text = readFileSync(path, "latin1");
      // Only what is text: a program's own machine code is left alone.
      if (text.includes("\0") || !text.includes(old)) continue;
      writeFileSync(path, text.replaceAll(old, now), "latin1");
    }
  }
}
