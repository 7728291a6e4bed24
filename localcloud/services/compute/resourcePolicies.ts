import { GoogleError } from "../../core/errors.ts";
import type { Router } from "../../core/http.ts";
import { addCollection } from "./collection.ts";
import type { Compute } from "./context.ts";
import { parseCron } from "./cron.ts";
import { invalid, link, split } from "./links.ts";
import { inUse } from "./networks.ts";
import { type Json, mergePatch } from "./schema.ts";
import { RESOURCE_POLICY } from "./shapes/machine.ts";

/** Instance schedules; `schedules.ts` starts and stops machines by them. */
export function addResourcePolicies(router: Router, compute: Compute): void {
  addCollection(router, compute, {
    plural: "resourcePolicies",
    singular: "resourcePolicy",
    scope: "regions",
    shape: RESOURCE_POLICY,
    make: (body, at) => {
      requireSchedule(body);
      return { ...body, region: link(`projects/${at.project}/${at.place}`), status: "READY" };
    },
    patch: (thing, body) => {
      const next = mergePatch(thing, body);
      requireSchedule(next);
      return next;
    },
    removing: (thing, path) => {
      const machines = compute.list("instances", `projects/${split(path).project}/`);
      const user = machines.find(([, machine]) =>
        ((machine.resourcePolicies ?? []) as string[]).includes(thing.selfLink),
      );
      if (user) throw inUse("resource policy", path, user[0]);
    },
  });
}

function requireSchedule(body: Json): void {
  const policy = body.instanceSchedulePolicy as Json | undefined;
  if (!policy) throw new GoogleError(400, "required", "Required field 'resource.instanceSchedulePolicy' not specified");
  const field = "resource.instanceSchedulePolicy";
  if (!policy.vmStartSchedule && !policy.vmStopSchedule) {
    throw invalid(field, "", "A start schedule or a stop schedule is required.");
  }
  const zone = String(policy.timeZone ?? "");
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch {
    throw invalid(`${field}.timeZone`, zone, "The time zone is not in the IANA time zone database.");
  }
  for (const name of ["vmStartSchedule", "vmStopSchedule"]) {
    const schedule = (policy[name] as Json | undefined)?.schedule;
    if (schedule === undefined) continue;
    if (!parseCron(String(schedule))) {
      throw invalid(`${field}.${name}.schedule`, schedule, "Must be a schedule of five fields in cron's format.");
    }
  }
}
