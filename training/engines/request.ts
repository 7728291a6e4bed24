import type { Instance, TemplateProperties } from "../compute.ts";
import type { RunSpec } from "../contract.ts";
import { labelValue } from "../ids.ts";

/** Google takes 30 s at least. */
export const SHORTEST_RUN_SECONDS = 30;

export interface RequestPlace {
  name: string;
  zone: string;
  attempt: number;
  now: number;
  /** Default: as the spec says. */
  spot?: boolean;
  /** Complete; absent: the template's. */
  disks?: TemplateProperties["disks"];
}

/**
 * The body of `instances.insert`. Google replaces each array of the template as a whole by the one in the body, so
 * metadata and scheduling go in complete: with `mlt-*` alone the machine would boot without its script.
 */
export function instanceRequest(template: TemplateProperties, spec: RunSpec, place: RequestPlace): Instance {
  const own = { "mlt-run": spec.id, "mlt-attempt": String(place.attempt), "mlt-bucket": spec.buckets.data };
  const items = (template.metadata?.items ?? []).filter((item) => !(String(item.key) in own));
  const seconds = Math.floor((Date.parse(spec.deadline) - place.now) / 1000);
  return {
    name: place.name,
    machineType: `zones/${place.zone}/machineTypes/${spec.machineType}`,
    metadata: { items: [...items, ...Object.entries(own).map(([key, value]) => ({ key, value }))] },
    ...(place.disks ? { disks: place.disks } : {}),
    scheduling: {
      ...template.scheduling,
      ...((place.spot ?? spec.spot)
        ? { provisioningModel: "SPOT", preemptible: true, onHostMaintenance: "TERMINATE" }
        : { provisioningModel: "STANDARD", preemptible: false }),
      automaticRestart: false,
      maxRunDuration: { seconds: String(Math.max(SHORTEST_RUN_SECONDS, seconds)) },
      instanceTerminationAction: "DELETE",
    },
    labels: {
      ...template.labels,
      "mlt-environment": labelValue(spec.environment),
      "mlt-run": labelValue(spec.id),
      "mlt-attempt": String(place.attempt),
      "mlt-package": labelValue(spec.package.name),
    },
  };
}
