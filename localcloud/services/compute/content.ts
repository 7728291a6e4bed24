import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { State } from "../../core/state.ts";
import { pathOf } from "./links.ts";
import type { Disk, Image } from "./types.ts";

const run = promisify(execFile);

// What disks and images hold, besides their records. A disk is a folder that a guest's driver fills; an image of a
// disk is a copy of that folder, and a disk made from the image lies over it.

export function diskFolder(state: State, disk: Disk): string {
  return state.directory("disks", disk.id);
}

/** The content that a disk lies over; `undefined` for a disk of a public image. */
export function imageFolder(state: State, disk: Pick<Disk, "sourceImageId">): string | undefined {
  if (!disk.sourceImageId) return undefined;
  const folder = join(state.folder, "images", disk.sourceImageId);
  return existsSync(folder) ? folder : undefined;
}

/** Keeps a folder as an image's content, owners and special files included. */
export async function copyToImage(state: State, folder: string, imageId: string): Promise<void> {
  await run("cp", ["-a", `${folder}/.`, state.directory("images", imageId)]);
}

/** Removes a disk, and its image's content if that was only kept for this disk. */
export function removeDisk(state: State, path: string): void {
  const disks = state.collection<Disk>("compute.disks");
  const disk = disks.get(path);
  if (!disk) return;
  disks.delete(path);
  rmSync(join(state.folder, "disks", disk.id), { recursive: true, force: true });
  if (disk.sourceImageId) releaseImage(state, disk.sourceImageId);
}

/** Removes an image's content once neither the image nor a disk over it is left. */
export function releaseImage(state: State, id: string): void {
  const kept = state
    .collection<Image>("compute.images")
    .values()
    .some((image) => image.id === id);
  const used = state
    .collection<Disk>("compute.disks")
    .values()
    .some((disk) => disk.sourceImageId === id);
  if (!kept && !used) rmSync(join(state.folder, "images", id), { recursive: true, force: true });
}

/** The disk that a link names. */
export function diskAt(state: State, source: string): Disk | undefined {
  return state.collection<Disk>("compute.disks").get(pathOf(source));
}
