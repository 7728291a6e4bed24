import type { Call, Router } from "../../core/http.ts";
import { allowQuery, base, type Scope } from "./collection.ts";
import { type Compute, where } from "./context.ts";
import { aggregated, page } from "./lists.ts";
import type { Json } from "./schema.ts";

/**
 * An operation that is about to end is answered once it has. Google's Pulumi provider looks at once and then only every
 * ten seconds: a NAT that is made in 50 ms would take ten seconds.
 */
const ABOUT_TO_END_MS = 100;

const GROUPS: Record<Scope, string> = {
  global: "globalOperations",
  zones: "zoneOperations",
  regions: "regionOperations",
};
const TYPES: Record<Scope, string> = { global: "GlobalOperation", zones: "ZoneOperation", regions: "RegionOperation" };

/** Operations: get, wait, list, delete. Their names are Google's, so that no IAM condition on names ever fits them. */
export function addOperations(router: Router, compute: Compute): void {
  for (const scope of ["global", "zones", "regions"] as const) {
    const root = `${base(scope)}/operations`;
    const requireRight = (call: Call, verb: string): string => {
      const { project, place } = where(call);
      compute.requireOnType(call, `compute.${GROUPS[scope]}.${verb}`, TYPES[scope], project);
      return `projects/${project}/${place}/operations`;
    };
    router.on("GET", root, (call) => {
      const path = requireRight(call, "list");
      const items = compute.operations.list(`${path}/`).map(([, operation]) => ({ ...operation }) as Json);
      return { json: page(call, "compute#operationList", path, items) };
    });
    router.on("GET", `${root}/{name}`, async (call) => {
      allowQuery(call);
      const path = `${requireRight(call, "get")}/${call.params.name}`;
      return { json: await compute.operations.wait(path, ABOUT_TO_END_MS) };
    });
    router.on("POST", `${root}/{name}/wait`, async (call) => {
      allowQuery(call);
      return { json: await compute.operations.wait(`${requireRight(call, "get")}/${call.params.name}`) };
    });
    router.on("DELETE", `${root}/{name}`, (call) => {
      allowQuery(call);
      compute.operations.delete(`${requireRight(call, "delete")}/${call.params.name}`);
      return { status: 204 };
    });
  }
  router.on("GET", "/compute/{version}/projects/{project}/aggregated/operations", (call) => {
    const { project } = where(call);
    compute.requireOnType(call, "compute.globalOperations.list", TYPES.global, project);
    const items = compute.operations.list(`projects/${project}/`).map(([path, operation]): [string, Json] => {
      return [path, { ...operation }];
    });
    const all = { plural: "operations", singular: "operation", scopes: ["global", "zones", "regions"] } as const;
    return { json: aggregated(call, all, project, items) };
  });
}
