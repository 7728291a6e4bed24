import { type Bucket, listBuckets } from "../cleanup/buckets.ts";
import { each } from "../cleanup/rest.ts";
import { type OpenEnvironment, openEnvironment } from "../training/environment.ts";
import { messageOf } from "../training/errors.ts";
import { Objects } from "../training/storage.ts";
import type { Place } from "./contract.ts";

/** A student's environment as it was found in the project: by its buckets' labels, so that no state is needed. */
export interface Found {
  place: Place;
  /** The data bucket's name; absent: there is none, or the project's buckets cannot be listed. */
  bucket?: string;
  /** Absent: there is none, or it cannot be read. */
  environment?: OpenEnvironment;
  /** Why it cannot be read; absent also where there is nothing. */
  problem?: string;
}

/** So many are read at the same time: a class is read in seconds, and Google's front ends do not slow it down. */
export const SIDE_BY_SIDE = 16;

/** The environments of all these places, in their order. What cannot be read is told and stops nothing. */
export async function findEnvironments(places: readonly Place[], objects = new Objects()): Promise<Found[]> {
  const projects = [...new Set(places.map(({ project }) => project))];
  const buckets = new Map(
    await each(projects, SIDE_BY_SIDE, async (project): Promise<[string, Bucket[] | string]> => {
      try {
        return [project, await listBuckets(project, false)];
      } catch (error) {
        return [project, `the buckets of ${project} cannot be listed: ${oneLine(error)}`];
      }
    }),
  );
  return each(places, SIDE_BY_SIDE, async (place) => {
    const listed = buckets.get(place.project) ?? [];
    if (typeof listed === "string") return { place, problem: listed };
    const bucket = dataBucketOf(listed, place.environment);
    if (!bucket) return { place };
    try {
      return { place, bucket, environment: await openEnvironment(`gs://${bucket}`, objects) };
    } catch (error) {
      return { place, bucket, problem: oneLine(error) };
    }
  });
}

/** The data bucket of an environment: labelled as its own, named as `Buckets` names it; of several the newest. */
export function dataBucketOf(buckets: readonly Bucket[], environment: string): string | undefined {
  const own = buckets.filter(
    ({ name, labels }) => labels?.["mlt-environment"] === environment && name.startsWith(`${environment}-data-`),
  );
  const newest = own.sort((one, other) => ((one.timeCreated ?? "") < (other.timeCreated ?? "") ? 1 : -1))[0];
  return newest?.name;
}

/** An error as a line of a table. */
export function oneLine(error: unknown): string {
  return messageOf(error).split("\n")[0]!;
}
