import { serviceAccount } from "../../core/access/records.ts";
import type { Cloud } from "../../core/cloud.ts";
import { GoogleError, rpcError } from "../../core/errors.ts";
import type { Call, Reply } from "../../core/http.ts";
import type { Collection } from "../../core/state.ts";
import { allRegions, allZones } from "../compute/places.ts";
import type { Json } from "../compute/schema.ts";
import { project } from "../resourcemanager/projects.ts";
import { GkeOperations } from "./operations.ts";

/** A pool as it is stored. */
export interface Pool extends Json {
  name: string;
  config: Json & { machineType: string; diskType: string; diskSizeGb: number };
  initialNodeCount: number;
  /** In every zone. */
  nodeCount: number;
  locations: string[];
  status: string;
}

/** A cluster as it is stored. */
export interface StoredCluster extends Json {
  name: string;
  location: string;
  locations: string[];
  status: string;
  network: string;
  subnetwork: string;
  resourceLabels?: Record<string, string>;
  pools: Record<string, Pool>;
}

/** The Workload Identity pools that a project has had: they come with its first cluster and stay. */
export const WORKLOAD_POOLS = "container.workloadPools";
export const CLUSTERS = "container.clusters";

export interface Where {
  project: string;
  projectNumber: string;
  location: string;
  /** `projects/P/locations/L`. */
  parent: string;
}

/** What all of GKE's methods share: records, rights, operations. */
export class Gke {
  readonly cloud: Cloud;
  readonly operations: GkeOperations;
  readonly clusters: Collection<StoredCluster>;

  constructor(cloud: Cloud) {
    this.cloud = cloud;
    this.operations = new GkeOperations(cloud.state, cloud.now);
    this.clusters = cloud.state.collection<StoredCluster>(CLUSTERS);
    // What a stopped process left half made is in error, as Google says of a failed creation.
    for (const [key, cluster] of this.clusters.entries()) {
      if (cluster.status !== "RUNNING") this.clusters.set(key, { ...cluster, status: "ERROR" });
    }
  }

  /** @param any whether `-` stands for every location */
  where(call: Call, any = false): Where {
    const { version } = call.params;
    if (version !== "v1" && version !== "v1beta1") throw rpcError(404, "Not Found");
    const found = project(this.cloud.state, call.params.project ?? "");
    const location = call.params.location ?? "";
    const known = allZones().includes(location) || allRegions().includes(location) || (any && location === "-");
    if (!known) throw rpcError(400, `Location "${location}" does not exist.`);
    const { projectId, projectNumber } = found;
    return { project: projectId, projectNumber, location, parent: `projects/${projectId}/locations/${location}` };
  }

  require(call: Call, permission: string, at: Where, name: string): void {
    this.cloud.access.require(call.principal, permission, {
      service: "container.googleapis.com",
      type: "container.googleapis.com/Cluster",
      name,
      project: at.project,
    });
  }

  /** Whoever makes nodes acts as their account. The refusal's words: from general knowledge. */
  requireActAs(call: Call, email: unknown, at: Where): void {
    if (email === undefined || email === "default") return;
    const account = serviceAccount(this.cloud.state, String(email));
    if (!account) throw rpcError(400, `Service account "${email}" does not exist.`);
    const allowed = this.cloud.access.allowed(call.principal, "iam.serviceAccounts.actAs", {
      service: "iam.googleapis.com",
      type: "iam.googleapis.com/ServiceAccount",
      name: `projects/${account.project}/serviceAccounts/${account.email}`,
      project: account.project,
      policies: [account.policy],
    });
    if (allowed) return;
    throw rpcError(
      400,
      `The user does not have access to service account "${email}". Ask a project owner to grant you the iam.serviceAccountUser role on the service account (project ${at.project}).`,
    );
  }

  /** The cluster that a call names, and its path. */
  cluster(call: Call, permission: string): { at: Where; path: string; cluster: StoredCluster } {
    const at = this.where(call);
    const path = `${at.parent}/clusters/${call.params.cluster}`;
    this.require(call, permission, at, path);
    const cluster = this.clusters.get(path);
    if (!cluster) throw rpcError(404, `Not found: ${path}.`);
    return { at, path, cluster };
  }

  pool(call: Call, permission: string): { at: Where; path: string; cluster: StoredCluster; pool: Pool } {
    const found = this.cluster(call, permission);
    const pool = found.cluster.pools[call.params.pool ?? ""];
    if (!pool) throw rpcError(404, `Not found: ${found.path}/nodePools/${call.params.pool}.`);
    return { ...found, pool };
  }

  /** One operation at a time works on a cluster. */
  requireIdle(path: string): void {
    const running = this.operations.on(path);
    if (!running) return;
    throw new GoogleError(400, "failedPrecondition", `Cluster is running incompatible operation ${running.name}.`, {
      status: "FAILED_PRECONDITION",
    });
  }

  /** Writes a change into the cluster as it is then: others may have changed it meanwhile. */
  change(path: string, edit: (cluster: StoredCluster) => StoredCluster): void {
    const now = this.clusters.get(path);
    if (now) this.clusters.set(path, edit(now));
  }

  changePool(path: string, name: string, edit: (pool: Pool) => Pool | undefined): void {
    this.change(path, (cluster) => {
      const { [name]: pool, ...rest } = cluster.pools;
      const next = pool && edit(pool);
      return { ...cluster, pools: next ? { ...rest, [name]: next } : rest };
    });
  }

  begin(
    call: Call,
    at: Where,
    work: { type: string; target: string; run: () => void; failed?: (message: string) => void },
  ): Reply {
    const fault = this.cloud.faults.take("container", call.method, call.path, "operation");
    const { failed = () => {} } = work;
    const { project: owner, location } = at;
    return { json: this.operations.start({ ...work, failed, project: owner, location, fault }) };
  }
}
