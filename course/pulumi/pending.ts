import type { PendingOperation } from "./states.ts";

/** Pulumi's state of a stack as `pulumi stack export` gives it, as far as it is changed here. */
export interface Deployment {
  resources?: Record<string, unknown>[];
  pending_operations?: PendingOperation[];
  [member: string]: unknown;
}

export interface Settled {
  deployment: Deployment;
  /** What may have been made: the next refresh finds it by its id, or finds that it is not there. */
  lookedFor: string[];
  /** Calls that may simply be made again. */
  repeatable: string[];
  /** Kinds whose id cannot be told from their inputs: what was made of them, if it was, nobody owns. */
  unknown: string[];
}

/** What Google is asked for twice without harm: adding a member or an object, enabling an API. */
const REPEATABLE = /:\w*IAMMember$|^gcp:projects\/service:|^gcp:storage\/bucketObject:/;

type Inputs = Record<string, unknown>;

const global = (plural: string) => (inputs: Inputs) => `projects/${inputs.project}/global/${plural}/${inputs.name}`;
const inZone = (plural: string) => (inputs: Inputs) =>
  `projects/${inputs.project}/zones/${last(inputs.zone)}/${plural}/${inputs.name}`;
const inRegion = (plural: string) => (inputs: Inputs) =>
  `projects/${inputs.project}/regions/${last(inputs.region)}/${plural}/${inputs.name}`;

/** How Google's provider names each kind (its documentation's "Import"); the rest is not made by this program. */
const IDS: Readonly<Record<string, (inputs: Inputs) => string>> = {
  "gcp:storage/bucket:Bucket": ({ name }) => String(name),
  "gcp:compute/instanceTemplate:InstanceTemplate": global("instanceTemplates"),
  "gcp:compute/network:Network": global("networks"),
  "gcp:compute/firewall:Firewall": global("firewalls"),
  "gcp:compute/subnetwork:Subnetwork": inRegion("subnetworks"),
  "gcp:compute/router:Router": inRegion("routers"),
  "gcp:compute/routerNat:RouterNat": ({ project, region, router, name }) =>
    `${project}/${last(region)}/${last(router)}/${name}`,
  "gcp:compute/address:Address": inRegion("addresses"),
  "gcp:compute/resourcePolicy:ResourcePolicy": inRegion("resourcePolicies"),
  "gcp:compute/disk:Disk": inZone("disks"),
  "gcp:compute/instance:Instance": inZone("instances"),
  "gcp:serviceaccount/account:Account": ({ project, accountId }) =>
    `projects/${project}/serviceAccounts/${accountId}@${project}.iam.gserviceaccount.com`,
  "gcp:serviceAccount/account:Account": ({ project, accountId }) =>
    `projects/${project}/serviceAccounts/${accountId}@${project}.iam.gserviceaccount.com`,
  "gcp:projects/iAMCustomRole:IAMCustomRole": ({ project, roleId }) => `projects/${project}/roles/${roleId}`,
};

function last(text: unknown): string {
  return String(text).split("/").at(-1) ?? "";
}

/**
 * A state without pending operations, ready for a refresh: what may have been created is put into it under the id that
 * Google would have given it, so that the refresh takes it over if it is there and forgets it if it is not. Pending
 * updates and deletions need nothing: their resources are in the state, and the refresh reads them. Pure.
 */
export function settlePending(deployment: Deployment): Settled {
  const { pending_operations: pending = [], resources = [], ...rest } = deployment;
  const settled: Settled = {
    deployment: { ...rest, resources: [...resources] },
    lookedFor: [],
    repeatable: [],
    unknown: [],
  };
  const known = new Set(resources.map(({ urn }) => urn));
  for (const { type: operation, resource } of pending) {
    if (operation !== "creating" || known.has(resource.urn)) continue;
    const name = `${resource.type.split(":").at(-1)} ${resource.urn.split("::").at(-1)}`;
    const id = IDS[resource.type]?.(resource.inputs ?? {});
    if (REPEATABLE.test(resource.type)) settled.repeatable.push(name);
    else if (id === undefined || /\bundefined\b/.test(id)) settled.unknown.push(name);
    else {
      settled.deployment.resources?.push({ ...resource, custom: true, id, outputs: resource.inputs ?? {} });
      settled.lookedFor.push(name);
    }
  }
  return settled;
}
