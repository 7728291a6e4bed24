import { createHash } from "node:crypto";
import type { Policy } from "../../core/access.ts";
import { GoogleError } from "../../core/errors.ts";
import type { Call, Router } from "../../core/http.ts";
import { allowQuery, onOne, pathIn, type Scope, storedPath } from "./collection.ts";
import type { Compute } from "./context.ts";
import { notFound, split } from "./links.ts";

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
      return { json: current(target(call, "getIamPolicy")) };
    });
    onOne(router, scope, plural, "POST", "setIamPolicy", async (call) => {
      allowQuery(call);
      const { policy, ...rest } = await call.json<{ policy?: Policy; bindings?: Policy["bindings"]; etag?: string }>();
      const path = target(call, "setIamPolicy");
      const given: Policy = policy ?? rest;
      if (given.etag !== undefined && given.etag !== current(path).etag) {
        throw new GoogleError(
          409,
          "aborted",
          "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
        );
      }
      const conditional = (given.bindings ?? []).some(({ condition }) => condition);
      if (conditional && given.version !== 3) {
        throw new GoogleError(400, "invalid", "Policies with conditions need version 3.");
      }
      const content = { version: given.version ?? 1, bindings: given.bindings ?? [] };
      const etag = createHash("sha256")
        .update(JSON.stringify([content, current(path).etag]))
        .digest("base64")
        .slice(0, 12);
      return { json: compute.policies().set(path, { ...content, etag }) };
    });
    onOne(router, scope, plural, "POST", "testIamPermissions", async (call) => {
      allowQuery(call);
      const { permissions = [] } = await call.json<{ permissions?: string[] }>();
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
