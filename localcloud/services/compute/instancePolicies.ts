import type { Router } from "../../core/http.ts";
import type { Compute } from "./context.ts";
import { where } from "./context.ts";
import { action, begin } from "./instanceActions.ts";
import { readPolicies } from "./instanceBuild.ts";
import { invalid, lastPart, link, referred } from "./links.ts";
import type { Instance } from "./types.ts";

const BODY = { resourcePolicies: ["string"] } as const;

/** Adds what attaches schedules to a machine and takes them away. */
export function addInstancePolicies(router: Router, compute: Compute): void {
  action(router, compute, "addResourcePolicies", BODY, ({ call, path, instance, body }) => {
    const at = where(call);
    const held = (instance.resourcePolicies ?? []) as string[];
    const wanted = (body.resourcePolicies ?? []) as string[];
    if (held.length + wanted.length > 1) {
      throw invalid("resourcePolicies", wanted.join(", "), "An instance can have at most one resource policy.");
    }
    const links = readPolicies(compute, { ...at, path, call }, wanted, lastPart(at.place), "resourcePolicies");
    return begin(compute, call, "addResourcePolicies", path, instance, () => {
      const now = compute.get(path) as Instance;
      compute.save(path, {
        ...now,
        resourcePolicies: [...new Set([...((now.resourcePolicies ?? []) as string[]), ...links])],
      });
    });
  });
  action(router, compute, "removeResourcePolicies", BODY, ({ call, path, instance, body }) => {
    const { project } = where(call);
    const held = (instance.resourcePolicies ?? []) as string[];
    const gone = ((body.resourcePolicies ?? []) as string[]).map((text, index) => {
      const selfLink = link(referred(text, `resourcePolicies[${index}]`, project, "resourcePolicies"));
      if (!held.includes(selfLink)) {
        throw invalid(`resourcePolicies[${index}]`, text, "The resource policy is not attached to the instance.");
      }
      return selfLink;
    });
    return begin(compute, call, "removeResourcePolicies", path, instance, () => {
      const now = compute.get(path) as Instance;
      const left = ((now.resourcePolicies ?? []) as string[]).filter((one) => !gone.includes(one));
      compute.save(path, { ...now, resourcePolicies: left.length > 0 ? left : undefined });
    });
  });
}
