import { notModelled } from "../../core/errors.ts";
import type { Call } from "../../core/http.ts";
import type { Compute, Where } from "./context.ts";
import { invalid, pathOf, referred, split } from "./links.ts";
import { inUse } from "./networks.ts";
import type { Json } from "./schema.ts";
import type { AttachedDisk, Disk } from "./types.ts";

/** The existing disk that an attachment names: in the machine's zone, the caller's to use, and nobody's yet. */
export function requireUsable(
  compute: Compute,
  at: Where & { call: Call },
  one: Json,
  field: string,
  boot: boolean,
): Disk {
  const text = String(one.source);
  const path = referred(text, `${field}.source`, at.project, "disks");
  const disk = compute.referent(path, `${field}.source`, text, "disk") as Disk;
  if (split(path).place !== at.place) throw invalid(`${field}.source`, text, "The disk is not in the machine's zone.");
  compute.requireOn(at.call, one.mode === "READ_ONLY" ? "compute.disks.useReadOnly" : "compute.disks.use", path);
  const [user] = disk.users ?? [];
  if (user) throw inUse("disk", path, pathOf(user));
  if (!boot) requireBlank(disk);
  return disk;
}

/** A boot disk is no block device here: as a second disk of another machine it would seem empty. */
export function requireBlank({ name, sourceImage }: Pick<Disk, "name" | "sourceImage">): void {
  if (sourceImage) throw notModelled(`a disk made from an image as a data disk (${name}); make it without an image`);
}

/** The name below `/dev/disk/by-id/google-`; which characters Google takes is from general knowledge. */
export function requireDeviceName(given: unknown, others: readonly AttachedDisk[], field: string): string {
  const name = String(given);
  if (!/^[A-Za-z0-9][\w.-]{0,62}$/.test(name)) {
    throw invalid(field, name, "Must be a match of regex '[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}'");
  }
  if (others.some(({ deviceName }) => deviceName === name)) {
    throw invalid(field, name, "Another disk of the instance has this device name.");
  }
  return name;
}
