import { acceptPolicy, policyFor } from "../../core/access/policy.ts";
import type { Policy } from "../../core/access.ts";
import { readMembers } from "../../core/body.ts";
import { GoogleError } from "../../core/errors.ts";
import type { Call, Router } from "../../core/http.ts";
import { allowQuery, onOne, pathIn, type Scope, storedPath } from "./collection.ts";
import type { Compute } from "./context.ts";
import { invalid, notFound, split } from "./links.ts";

const KINDS: [Scope, string][] = [
  ["zones", "instances"],
  ["zones", "disks"],
  ["regions", "subnetworks"],
  ["global", "images"],
  ["global", "instanceTemplates"],
  ["regions", "resourcePolicies"],
];

/** IAM policies on single resources. */
export function addIam(router: Router, compute: Compute): void {
  for (const [scope, plural] of KINDS) {
    const target = (call: Call, verb?: string): string => {
      const path = storedPath(compute, pathIn(call, plural));
      if (verb) compute.requireOn(call, `compute.${plural}.${verb}`, path);
      if (!compute.find(path)) throw notFound(path);
      return path;
    };
    const current = (path: string): Policy => compute.policies().get(path) ?? { version: 1, etag: "ACAB" };
    onOne(router, scope, plural, "GET", "getIamPolicy", (call) => {
      allowQuery(call, "optionsRequestedPolicyVersion");
      const version = call.query.get("optionsRequestedPolicyVersion") ?? "0";
      if (!/^\d+$/.test(version)) throw invalid("optionsRequestedPolicyVersion", version, "Must be 0, 1 or 3.");
      return { json: policyFor(current(target(call, "getIamPolicy")), Number(version)) };
    });
    onOne(router, scope, plural, "POST", "setIamPolicy", async (call) => {
      allowQuery(call);
      const { policy, ...rest } = await readMembers<{ policy?: Policy; bindings?: Policy["bindings"]; etag?: string }>(
        call,
        { policy: "object", bindings: "objects", etag: "text" },
      );
      const path = target(call, "setIamPolicy");
      const { state, now } = compute.cloud;
      const accepted = acceptPolicy({
        state,
        now,
        project: split(path).project,
        resource: path,
        current: current(path),
        next: policy ?? rest,
      });
      return { json: compute.policies().set(path, accepted) };
    });
    onOne(router, scope, plural, "POST", "testIamPermissions", async (call) => {
      allowQuery(call);
      const { permissions = [] } = await readMembers<{ permissions?: string[] }>(call, { permissions: "texts" });
      const path = target(call);
      const held = permissions.filter((permission) => holds(compute, call, permission, path));
      return { json: held.length > 0 ? { permissions: held } : {} };
    });
  }
}

function holds(compute: Compute, call: Call, permission: string, path: string): boolean {
  try {
    compute.requireOn(call, permission, path);
    return true;
  } catch (error) {
    if (error instanceof GoogleError && (error.code === 403 || error.code === 401)) return false;
    throw error instanceof GoogleError ? error : new Error(`${permission} on ${split(path).name}: ${String(error)}`);
  }
}
