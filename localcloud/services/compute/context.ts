import { createHash } from "node:crypto";
import { serviceAccount } from "../../core/access/records.ts";
import type { Policy, Principal } from "../../core/access.ts";
import type { Cloud } from "../../core/cloud.ts";
import { projectNumber } from "../../core/cloud.ts";
import { GoogleError } from "../../core/errors.ts";
import type { Call, Reply } from "../../core/http.ts";
import { numericId, type Operation, Operations } from "../../core/operations.ts";
import type { Collection } from "../../core/state.ts";
import { releaseContents } from "./content.ts";
import { invalid, link, notFound, split } from "./links.ts";
import type { Machines } from "./machines.ts";
import { requirePlace } from "./places.ts";
import { allPublicImages } from "./publicImages.ts";
import type { Image } from "./types.ts";

/** Any resource of Compute Engine, as it is stored and answered. */
export interface Thing {
  kind: string;
  id: string;
  name: string;
  selfLink: string;
  creationTimestamp: string;
  [member: string]: unknown;
}

/** IAM's type of each collection; the permission is `compute.<collection>.<verb>`. */
const IAM_TYPES: Record<string, string> = {
  networks: "Network",
  subnetworks: "Subnetwork",
  firewalls: "Firewall",
  routers: "Router",
  addresses: "Address",
  disks: "Disk",
  images: "Image",
  snapshots: "Snapshot",
  instances: "Instance",
  instanceTemplates: "InstanceTemplate",
  resourcePolicies: "ResourcePolicy",
};

export interface Begin {
  type: string;
  /** `projects/P/PLACE/PLURAL/NAME` */
  target: string;
  targetId: string;
  run: () => Promise<void> | void;
  /** Runs before the answer unless a planned fault makes the operation fail. */
  accepted?: () => void;
}

const ZERO_UUID = "00000000-0000-0000-0000-000000000000";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What all of Compute Engine's methods share: records, rights, operations. */
export class Compute {
  readonly cloud: Cloud;
  readonly machines: Machines;
  readonly operations: Operations;
  /** Resources whose insert is under way: they cannot be created twice, nor used yet. */
  readonly pending = new Set<string>();
  /** Resources that work goes on with: they cannot be deleted. */
  readonly busy = new Map<string, number>();
  readonly #requests: Collection<string>;
  readonly #policies: Collection<Policy>;

  constructor(cloud: Cloud, machines: Machines) {
    this.cloud = cloud;
    this.machines = machines;
    this.operations = new Operations({ state: cloud.state, collection: "compute.operations", now: cloud.now, link });
    machines.closing.push(() => this.operations.settled());
    machines.onPreempted = (path, { id }) => this.#tellPreemption(path, id);
    this.#requests = cloud.state.collection<string>("compute.requests");
    this.#policies = cloud.state.collection<Policy>("compute.policies");
    // Their copy was interrupted with the server that made it.
    for (const [path, image] of this.records("images").entries()) {
      if (image.status !== "PENDING") continue;
      this.remove(path);
    }
    releaseContents(cloud.state);
  }

  /** Does work with a resource that must stay as it is meanwhile. */
  async whileBusy<T>(path: string, work: () => Promise<T>): Promise<T> {
    this.busy.set(path, (this.busy.get(path) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = (this.busy.get(path) ?? 1) - 1;
      if (left > 0) this.busy.set(path, left);
      else this.busy.delete(path);
    }
  }

  /** The image that a disk names, in whatever project, public ones included. */
  imageWithId(id: string): Image | undefined {
    const own = this.records("images").values() as Image[];
    return [...own, ...allPublicImages()].find((image) => image.id === id);
  }

  records(plural: string): Collection<Thing> {
    return this.cloud.state.collection<Thing>(`compute.${plural}`);
  }

  /** The resource at a path, by name or by numeric id. */
  find(path: string): Thing | undefined {
    const { plural, name } = split(path);
    const records = this.records(plural);
    const exact = records.get(path);
    if (exact || !/^\d+$/.test(name)) return exact;
    const parent = path.slice(0, path.length - name.length);
    return records.entries().find(([key, thing]) => key.startsWith(parent) && thing.id === name)?.[1];
  }

  get(path: string): Thing {
    const thing = this.find(path);
    if (!thing) throw notFound(path);
    return thing;
  }

  save(path: string, thing: Thing): Thing {
    return this.records(split(path).plural).set(path, thing);
  }

  remove(path: string): void {
    this.records(split(path).plural).delete(path);
    this.#policies.delete(path);
  }

  /** Everything of a kind in a project (`projects/P/`) or a place (`projects/P/zones/Z/`). */
  list(plural: string, prefix: string): [string, Thing][] {
    return this.records(plural)
      .entries()
      .filter(([path]) => path.startsWith(prefix));
  }

  /** The members that every resource has. */
  stamp(path: string, kind: string): Thing {
    return {
      kind: `compute#${kind}`,
      id: numericId(),
      name: split(path).name,
      selfLink: link(path),
      creationTimestamp: this.time(),
    };
  }

  time(): string {
    return new Date(this.cloud.now()).toISOString();
  }

  /** What a reference names must be there (400 in Google's words for the field) and ready. */
  referent(path: string, field: string, shown: string, noun: string): Thing {
    if (this.pending.has(path)) {
      throw new GoogleError(400, "resourceNotReady", `The resource '${path}' is not ready`);
    }
    const thing = this.find(path);
    if (!thing) throw invalid(field, shown, `The referenced ${noun} resource cannot be found.`);
    return thing;
  }

  /** 409 for what exists or is being made. */
  absent(path: string): void {
    if (!this.pending.has(path) && !this.records(split(path).plural).has(path)) return;
    throw new GoogleError(409, "alreadyExists", `The resource '${path}' already exists`);
  }

  /** IAM's view of a resource; its own policy counts besides the project's. */
  requireOn(call: Call, permission: string, path: string): void {
    const { project, plural, place } = split(path);
    const global = plural === "addresses" && place === "global";
    const type = `compute.googleapis.com/${global ? "GlobalAddress" : (IAM_TYPES[plural] ?? plural)}`;
    const policy = this.#policies.get(path);
    this.cloud.access.require(call.principal, permission, {
      service: "compute.googleapis.com",
      type,
      name: path,
      project,
      policies: policy ? [policy] : [],
    });
  }

  /** For lists and what belongs to the project as a whole. */
  requireOnProject(call: Call, permission: string, project: string): void {
    this.cloud.access.require(call.principal, permission, {
      service: "compute.googleapis.com",
      type: "cloudresourcemanager.googleapis.com/Project",
      name: `projects/${project}`,
      project,
    });
  }

  /** For what IAM conditions see by type alone: operations, zones, machine types. */
  requireOnType(call: Call, permission: string, type: string, project: string): void {
    this.cloud.access.require(call.principal, permission, {
      service: "compute.googleapis.com",
      type: `compute.googleapis.com/${type}`,
      name: "",
      project,
    });
  }

  /** Whoever puts a service account on a machine acts as it. Code and reason of the refusal: from general knowledge. */
  requireActAs(call: Call, email: string, project: string): void {
    const account = serviceAccount(this.cloud.state, email);
    if (!account) {
      const path = `projects/${project}/serviceAccounts/${email}`;
      throw new GoogleError(404, "notFound", `The resource '${path}' of type 'serviceAccount' was not found.`);
    }
    const allowed = this.cloud.access.allowed(call.principal, "iam.serviceAccounts.actAs", {
      service: "iam.googleapis.com",
      type: "iam.googleapis.com/ServiceAccount",
      name: `projects/${account.project}/serviceAccounts/${email}`,
      project: account.project,
      policies: [account.policy],
    });
    if (allowed) return;
    throw new GoogleError(
      400,
      "SERVICE_ACCOUNT_ACCESS_DENIED",
      `The user does not have access to service account '${email}'. User: '${userOf(call.principal)}'. Ask a project owner to grant you the iam.serviceAccountUser role on the service account`,
    );
  }

  /** Google's own operation, by which anybody sees afterwards that a machine was taken back (general knowledge). */
  #tellPreemption(target: string, targetId: string): void {
    const { project, place } = split(target);
    const type = "compute.instances.preempted";
    this.operations.start({ project, place, type, target, targetId, user: "system", run: () => {} });
  }

  policies(): Collection<Policy> {
    return this.#policies;
  }

  /** Starts an operation and answers it; a repeated `requestId` answers the first one again. */
  begin(call: Call, request: Begin): Reply {
    const { project, place } = split(request.target);
    const fault = this.cloud.faults.take("compute", call.method, call.path, "operation");
    if (!fault?.operationError) request.accepted?.();
    const requestId = call.query.get("requestId") ?? undefined;
    const operation = this.operations.start({
      project,
      place,
      type: request.type,
      target: request.target,
      targetId: request.targetId,
      user: userOf(call.principal),
      clientOperationId: requestId,
      fault,
      run: request.run,
    });
    if (requestId) this.#requests.set(requestKey(call, project, requestId), operation.selfLink);
    return { json: operation };
  }

  /** The answer to a request that was made before under the same `requestId`. */
  repeated(call: Call, project: string): Reply | undefined {
    const requestId = call.query.get("requestId");
    if (requestId === null) return undefined;
    if (!UUID.test(requestId) || requestId === ZERO_UUID) {
      throw invalid("requestId", requestId, "The request ID must be a valid UUID other than the zero UUID.");
    }
    const selfLink = this.#requests.get(requestKey(call, project, requestId));
    const operation = selfLink && this.operations.list(`projects/${project}/`).find(([, o]) => o.selfLink === selfLink);
    return operation ? { json: operation[1] } : undefined;
  }

  /** Inserts a finished resource once its operation runs; until then it can be neither used nor made again. */
  insert(call: Call, path: string, thing: Thing, type = "insert"): Reply {
    return this.begin(call, {
      type,
      target: path,
      targetId: thing.id,
      accepted: () => this.pending.add(path),
      run: () => {
        this.pending.delete(path);
        this.save(path, thing);
      },
    });
  }

  number(project: string): string {
    return projectNumber(project);
  }
}

function requestKey(call: Call, project: string, requestId: string): string {
  return `${project} ${call.method} ${call.path} ${requestId}`;
}

export function userOf(principal: Principal): string {
  return "email" in principal ? principal.email : principal.kind;
}

/** Google's fingerprints are eight bytes in base64; ours follow from the content. */
export function fingerprint(content: unknown): string {
  return createHash("sha256").update(JSON.stringify(content)).digest().subarray(0, 8).toString("base64");
}

/** 412 unless the caller has seen the state that it changes. */
export function requireFingerprint(current: unknown, given: unknown, sentence: string): void {
  // A fingerprint is bytes: a client that reads it as such (gcloud, protobuf) sends it back in base64 for addresses.
  const plain = (text: unknown) => (typeof text === "string" ? text.replace(/-/g, "+").replace(/_/g, "/") : text);
  if (plain(given) !== plain(current)) throw new GoogleError(412, "conditionNotMet", sentence);
}

export interface Where {
  project: string;
  /** `global`, `zones/Z` or `regions/R`. */
  place: string;
}

/** The project and place of a call; 400 for a zone or region that Google does not have, 404 for another API version. */
export function where(call: Call): Where {
  const { version, project = "", zone, region } = call.params;
  if (version !== "v1" && version !== "beta") throw new GoogleError(404, "notFound", "Not Found");
  const place = zone ? `zones/${zone}` : region ? `regions/${region}` : "global";
  requirePlace(place);
  return { project, place };
}

export type { Operation };
