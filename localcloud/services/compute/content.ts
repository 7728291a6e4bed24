import { existsSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { State } from "../../core/state.ts";
import type { DataDisk, DiskContent } from "../../guests/guest.ts";
import { pathOf } from "./links.ts";
import type { AttachedDisk, Disk, Image } from "./types.ts";

// What disks and images hold, besides their records. A boot disk is a folder that a guest's driver fills; an image of
// it keeps what is in there as a layer, over the layers of the image that the disk itself was made from.

/** What is kept of an image. */
interface Content {
  /** The images whose folders lie over each other, the topmost first; none for what is a public image unchanged. */
  layers: string[];
  /** All of it together, with the public image below. */
  bytes: number;
}

const contents = (state: State) => state.collection<Content>("compute.imageContents");

export function diskFolder(state: State, disk: Disk): string {
  return state.directory("disks", disk.id);
}

function layerFolder(state: State, id: string): string {
  return join(state.folder, "images", id);
}

/** A disk's own folder and the layers that it lies over. */
export function diskContent(state: State, disk: Disk): Required<DiskContent> {
  const content = disk.sourceImageId ? contents(state).get(disk.sourceImageId) : undefined;
  const imageFolders = (content?.layers ?? []).map((id) => layerFolder(state, id));
  return { diskFolder: diskFolder(state, disk), imageFolders };
}

export interface NewContent {
  image: string;
  /** The image that the source was made from, or is. */
  over: Pick<Image, "id" | "archiveSizeBytes"> | undefined;
  /** Puts the new layer into a folder; absent: the image is the same as `over`. */
  save?: (folder: string) => Promise<void>;
}

/** Keeps an image's content; gives its size in bytes, as it lies on this host. */
export async function keepContent(state: State, { image, over, save }: NewContent): Promise<number> {
  const below = over && contents(state).get(over.id);
  const bytes = below?.bytes ?? Number(over?.archiveSizeBytes ?? 0);
  const content = { layers: below?.layers ?? [], bytes };
  if (save) {
    // Noted first: the layers below are in use from now on.
    contents(state).set(image, { layers: [image, ...content.layers], bytes });
    const folder = state.directory("images", image);
    await save(folder);
    content.layers = [image, ...content.layers];
    content.bytes += await allocated(folder);
  }
  contents(state).set(image, content);
  return content.bytes;
}

/** The bytes that a folder takes: files with holes count what they hold. */
async function allocated(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const { blocks, size } = await lstat(path);
    total += entry.isDirectory() ? await allocated(path) : (blocks ?? Math.ceil(size / 512)) * 512;
  }
  return total;
}

/** Removes a disk with what it holds. */
export function removeDisk(state: State, path: string): void {
  const disks = state.collection<Disk>("compute.disks");
  const disk = disks.get(path);
  if (!disk) return;
  disks.delete(path);
  rmSync(join(state.folder, "disks", disk.id), { recursive: true, force: true });
  releaseContents(state);
}

/** Removes what no image and no disk needs any more: an image's content outlives the image below its disks. */
export function releaseContents(state: State): void {
  const images = new Set(
    state
      .collection<Image>("compute.images")
      .values()
      .map(({ id }) => id),
  );
  for (const { sourceImageId } of state.collection<Disk>("compute.disks").values()) {
    if (sourceImageId) images.add(sourceImageId);
  }
  const layers = new Set<string>();
  for (const [id, content] of contents(state).entries()) {
    if (!images.has(id)) contents(state).delete(id);
    else for (const layer of content.layers) layers.add(layer);
  }
  const folder = join(state.folder, "images");
  if (!existsSync(folder)) return;
  for (const id of readdirSync(folder)) {
    if (!layers.has(id)) rmSync(join(folder, id), { recursive: true, force: true });
  }
}

/** The disk that a link names. */
export function diskAt(state: State, source: string): Disk | undefined {
  return state.collection<Disk>("compute.disks").get(pathOf(source));
}

/** A disk besides the boot disk, as its machine gets it: a file with holes, which grows with the disk. */
export function dataDisk(state: State, { deviceName, source, mode }: AttachedDisk): DataDisk {
  const disk = diskAt(state, source);
  if (!disk) throw new Error(`the disk ${source} is gone`);
  const folder = diskFolder(state, disk);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "data.raw");
  const bytes = Number(disk.sizeGb) * 1024 ** 3;
  if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600 });
  if (statSync(file).size < bytes) truncateSync(file, bytes);
  return { name: deviceName, file, readOnly: mode === "READ_ONLY" };
}
