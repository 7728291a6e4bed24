import { of, PROJECT_READ, type RoleTable } from "./definition.ts";

const CLUSTER_READ = ["container.clusters.connect", "container.clusters.get", "container.clusters.list"];
const OPERATION_READ = ["container.operations.get", "container.operations.list"];
const CLUSTER_WRITE = ["container.clusters.create", "container.clusters.delete", "container.clusters.update"];

/** Roles of Kubernetes Engine; what they hold inside a cluster is Kubernetes' and not known here. */
export const CONTAINER_ROLES: RoleTable = {
  "roles/container.admin": of(
    "Kubernetes Engine Admin",
    ...CLUSTER_READ,
    ...CLUSTER_WRITE,
    ...OPERATION_READ,
    "container.clusters.getCredentials",
    "container.clusters.impersonate",
    ...PROJECT_READ,
  ),
  "roles/container.clusterAdmin": of(
    "Kubernetes Engine Cluster Admin",
    ...CLUSTER_READ,
    ...CLUSTER_WRITE,
    ...OPERATION_READ,
    ...PROJECT_READ,
  ),
  "roles/container.developer": of("Kubernetes Engine Developer", ...CLUSTER_READ, ...PROJECT_READ),
  "roles/container.viewer": of("Kubernetes Engine Viewer", ...CLUSTER_READ, ...OPERATION_READ, ...PROJECT_READ),
  "roles/container.clusterViewer": of("Kubernetes Engine Cluster Viewer", ...CLUSTER_READ, ...PROJECT_READ),
  "roles/container.defaultNodeServiceAccount": of(
    "Kubernetes Engine Default Node Service Account",
    "autoscaling.sites.writeMetrics",
    "logging.logEntries.create",
    "monitoring.metricDescriptors.create",
    "monitoring.metricDescriptors.list",
    "monitoring.timeSeries.create",
    "monitoring.timeSeries.list",
  ),
};
