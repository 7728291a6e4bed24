import { createHash } from "node:crypto";
import type { Cloud } from "../../core/cloud.ts";
import { numericId } from "../../core/operations.ts";
import { link } from "../compute/links.ts";
import type { StoredCluster } from "./gke.ts";

/** What Google's names of a cluster's firewall rules and tags hold of it. */
export function clusterHash(path: string): string {
  return createHash("sha256").update(path).digest("hex").slice(0, 8);
}

/** The rules by which a cluster's nodes and pods reach each other; Google makes and removes them itself. */
function rules(path: string, { name }: StoredCluster): string[] {
  return ["all", "vms", "exkubelet", "inkubelet"].map((word) => `gke-${name}-${clusterHash(path)}-${word}`);
}

export function makeFirewalls({ state, now }: Cloud, project: string, path: string, cluster: StoredCluster): void {
  const firewalls = state.collection<Record<string, unknown>>("compute.firewalls");
  for (const name of rules(path, cluster)) {
    const at = `projects/${project}/global/firewalls/${name}`;
    firewalls.set(at, {
      kind: "compute#firewall",
      id: numericId(),
      name,
      description: "",
      selfLink: link(at),
      creationTimestamp: new Date(now()).toISOString(),
      network: link(cluster.network),
      direction: "INGRESS",
      priority: name.endsWith("-exkubelet") ? 1000 : 999,
      disabled: false,
      sourceRanges: ["10.0.0.0/8"],
      targetTags: [`gke-${cluster.name}-${clusterHash(path)}-node`],
      ...(name.endsWith("-exkubelet")
        ? { denied: [{ IPProtocol: "tcp", ports: ["10255"] }] }
        : { allowed: [{ IPProtocol: "tcp" }, { IPProtocol: "udp" }] }),
    });
  }
}

export function removeFirewalls({ state }: Cloud, project: string, path: string, cluster: StoredCluster): void {
  const firewalls = state.collection("compute.firewalls");
  for (const name of rules(path, cluster)) firewalls.delete(`projects/${project}/global/firewalls/${name}`);
}
