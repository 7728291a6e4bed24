import { GoogleError, rpcError } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { fingerprint } from "../compute/context.ts";
import { requireLabels } from "../compute/rules.ts";
import { type Json, mergePatch, readBody } from "../compute/schema.ts";
import { requireCounts, requireEndpoints, requireZones } from "./checks.ts";
import type { Gke, StoredCluster } from "./gke.ts";
import { CLUSTER_UPDATE } from "./shapes.ts";

/** Where each wish lies in the cluster. */
const MEMBERS: Readonly<Record<string, string>> = {
  desiredAddonsConfig: "addonsConfig",
  desiredReleaseChannel: "releaseChannel",
  desiredShieldedNodes: "shieldedNodes",
  desiredLoggingConfig: "loggingConfig",
  desiredMonitoringConfig: "monitoringConfig",
  desiredSecurityPostureConfig: "securityPostureConfig",
  desiredRbacBindingConfig: "rbacBindingConfig",
  desiredControlPlaneEndpointsConfig: "controlPlaneEndpointsConfig",
};

export function addUpdates(router: Router, gke: Gke, base: string): void {
  router
    .on("PUT", `${base}/clusters/{cluster}`, async (call) => {
      const { update = {} } = readBody({ update: CLUSTER_UPDATE, name: "string" }, await call.json(), "request") as {
        update?: Json;
      };
      return change(gke, call, update);
    })
    .on("POST", `${base}/clusters/{cluster}:setResourceLabels`, async (call) => {
      const { resourceLabels = {}, labelFingerprint } = readBody(
        { resourceLabels: "map", labelFingerprint: "string", name: "string" },
        await call.json(),
        "request",
      ) as { resourceLabels?: Record<string, string>; labelFingerprint?: string };
      const { at, path, cluster } = gke.cluster(call, "container.clusters.update");
      requireLabels(resourceLabels, "resourceLabels");
      if (labelFingerprint !== fingerprint(cluster.resourceLabels ?? {}).slice(0, 8)) {
        throw new GoogleError(412, "conditionNotMet", "Labels could not be set due to fingerprint mismatch.");
      }
      gke.requireIdle(path);
      return gke.begin(call, at, {
        type: "UPDATE_CLUSTER",
        target: path,
        run: () => gke.change(path, (each) => ({ ...each, resourceLabels })),
      });
    });
}

function change(gke: Gke, call: Call, { desiredNodePoolId, ...update }: Json): Reply {
  const { at, path, cluster } = gke.cluster(call, "container.clusters.update");
  const wishes = Object.keys(update);
  if (wishes.length !== 1) {
    throw rpcError(400, `Must specify exactly one field to update; got ${wishes.join(", ") || "none"}.`);
  }
  gke.requireIdle(path);
  const [wish] = wishes as [string];
  const edit = editOf(cluster, wish, update[wish], String(desiredNodePoolId ?? ""), at.location);
  return gke.begin(call, at, { type: "UPDATE_CLUSTER", target: path, run: () => gke.change(path, edit) });
}

function editOf(
  cluster: StoredCluster,
  wish: string,
  value: unknown,
  poolId: string,
  location: string,
): (cluster: StoredCluster) => StoredCluster {
  if (wish === "desiredNodePoolAutoscaling") {
    const pool = cluster.pools[poolId];
    if (!pool) throw rpcError(404, `Node pool "${poolId}" does not exist.`);
    requireCounts(0, value as Json);
    return (each) => ({ ...each, pools: { ...each.pools, [poolId]: { ...pool, autoscaling: value } } });
  }
  if (wish === "desiredLocations") {
    requireZones(location, value as string[]);
    return (each) => ({ ...each, locations: value as string[] });
  }
  const network = (member: string, content: unknown) => (each: StoredCluster) => ({
    ...each,
    networkConfig: { ...(each.networkConfig as Json), [member]: content },
  });
  if (wish === "desiredDefaultEnablePrivateNodes") return network("defaultEnablePrivateNodes", value);
  if (wish === "desiredIntraNodeVisibilityConfig") {
    return network("enableIntraNodeVisibility", (value as { enabled?: boolean }).enabled === true);
  }
  const member = MEMBERS[wish] as string;
  if (wish === "desiredControlPlaneEndpointsConfig") requireEndpoints(value as Json);
  // What a configuration does not name stays; what it names is replaced.
  return (each) => ({ ...each, [member]: mergePatch(each[member], value) });
}
