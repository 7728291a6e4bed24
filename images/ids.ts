import { randomBytes } from "node:crypto";
import { legalName, stamp } from "../training/ids.ts";

// Names of builds and of what they make. A build's moment ends all of them, so that each can be found from any other.

const BUILD = /^([a-z][a-z0-9-]{0,19})-(\d{14})-([0-9a-f]{4})$/;

/** `<family ≤ 20>-<yyyymmddhhmmss>-<4 hex>` */
export function buildId(family: string, now: Date, random: Buffer = randomBytes(2)): string {
  return `${legalName(family)}-${stamp(now)}-${random.subarray(0, 2).toString("hex").padStart(4, "0")}`;
}

export function isBuildId(text: string): boolean {
  return BUILD.test(text);
}

/** The sortable part of a build's id: its time and random digits. */
export function buildMoment(id: string): string {
  const parts = BUILD.exec(id);
  return parts ? `${parts[2]}-${parts[3]}` : "";
}

/** What the names of all images and machines of an environment's builds begin with. Ends in a separator. */
export function imagePrefix(environment: string): string {
  return `${environment}-img-`;
}

/** `<environment>-img-<moment>`: at most 44 characters. */
export function imageName(environment: string, id: string): string {
  return `${imagePrefix(environment)}${buildMoment(id)}`;
}

export type MachineRole = "build" | "test";

/** `<environment>-img-<moment>-build` or `-test`; the boot disk has the same name. */
export function machineName(environment: string, id: string, role: MachineRole): string {
  return `${imageName(environment, id)}-${role}`;
}

/** Objects of a build in the data bucket. */
export const objectsOf = (id: string) => ({
  state: `images/${id}/state.json`,
  recipe: `images/${id}/recipe.tar.gz`,
  log: `images/${id}/log.txt`,
  /** What the builder says at its end. */
  marker: `images/${id}/marker.json`,
  /** What the test machine says at its end. */
  test: `images/${id}/test.json`,
  /** Segments of the log while a machine writes it, in the scratch bucket. */
  segments: `images/${id}/log/`,
});

/** One build of a family at a time: whoever holds this object builds. */
export const lockObject = (family: string): string => `images/lock-${family}.json`;

/** What a builder or test machine may write in the data bucket; state, recipe and lock are the launcher's alone. */
export const MACHINE_OBJECTS = ["marker.json", "test.json", "log.txt", "test-log.txt"] as const;

/** IAM condition: the objects of builds in `bucket` that are the machines' to write. */
export function machineObjectsCondition(bucket: string): string {
  const ends = MACHINE_OBJECTS.map((name) => `resource.name.endsWith("/${name}")`).join(" || ");
  return `resource.name.startsWith("projects/_/buckets/${bucket}/objects/images/") && (${ends})`;
}
