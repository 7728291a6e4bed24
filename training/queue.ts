import type { RunSpec } from "./contract.ts";
import type { OpenEnvironment } from "./environment.ts";
import { listIds } from "./runs.ts";
import { ACTIVE, readStored } from "./status.ts";

/** How many of the newest runs are looked at; a run that is older has ended or waits very long. */
const LOOKED_AT = 30;

/** What a run waits for and who is before it, in one line for its status. */
export async function waitingLine(environment: OpenEnvironment, spec: RunSpec, lacks: string): Promise<string> {
  const { objects, buckets } = environment;
  const others = (await listIds(environment)).filter((id) => id !== spec.id).slice(0, LOOKED_AT);
  const read = await Promise.all(others.map((id) => readStored(objects, buckets.data, id)));
  const runs = read.flatMap((stored) => (stored ? [stored.status] : []));
  const busy = runs.filter(({ phase }) => ACTIVE.includes(phase)).length;
  const before = runs.filter(
    ({ phase, times }) => phase === "queued" && Date.parse(times.submitted) < Date.parse(spec.createdAt),
  ).length;
  const parts = [
    `waits for ${lacks}`,
    `${busy === 0 ? "no other run" : `${busy} other run${busy === 1 ? "" : "s"}`} of ${environment.environment} ${busy > 1 ? "have machines" : "has a machine"}`,
    ...(before > 0 ? [`${before} waited before it`] : []),
  ];
  return parts.join("; ");
}
