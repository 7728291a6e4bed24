import { PERMISSIONS } from "../permissions.ts";
import { type RoleTable, reads } from "./definition.ts";

const VIEWER = () =>
  [
    ...reads("compute."),
    ...reads("iam."),
    ...reads("serviceusage."),
    ...reads("logging."),
    ...reads("monitoring."),
  ].concat(
    "compute.disks.useReadOnly",
    "container.clusters.connect",
    "container.clusters.get",
    "container.clusters.list",
    "container.operations.get",
    "container.operations.list",
    "compute.images.useReadOnly",
    "compute.instanceTemplates.useReadOnly",
    "compute.resourcePolicies.useReadOnly",
    "logging.logEntries.download",
    "storage.buckets.list",
    "storage.buckets.viewIntelligenceDetails",
    "storage.folders.get",
    "storage.folders.list",
    "storage.hmacKeys.get",
    "storage.hmacKeys.list",
    "orgpolicy.constraints.list",
    "orgpolicy.policies.list",
    "orgpolicy.policy.get",
    "resourcemanager.projects.get",
    "resourcemanager.projects.list",
    "resourcemanager.projects.getIamPolicy",
  );

/** Basic roles reach a bucket and its contents only through the bucket's own policy (`projectOwner:` and the like). */
const BY_BUCKET_POLICY =
  /^storage\.(objects|managedFolders|multipartUploads|anywhereCaches|bucketOperations)\.|^storage\.buckets\.(get|getIamPolicy|update|setIamPolicy|relocate|getIpFilter|setIpFilter)$/;

/**
 * What no basic role holds: becoming a service account (its token, its signature) takes a role of its own, and so does
 * setting an organization's policy.
 */
const NOT_FOR_OWNERS =
  /^iam\.serviceAccounts\.(getAccessToken|getOpenIdToken|implicitDelegation|signBlob|signJwt)$|^resourcemanager\.projects\.create$|^orgpolicy\.(policies\.(create|delete|update)|policy\.set)$/;

/** What `roles/editor` lacks beside: policies, roles, the project itself, tunnels, private logs, what keys protect, other people in a cluster. */
const NOT_FOR_EDITORS =
  /\.setIamPolicy$|^iam\.roles\.(create|delete|undelete|update)$|^iam\.serviceAccounts\.undelete$|^resourcemanager\.projects\.(delete|undelete|createBillingAssignment|deleteBillingAssignment|updateLiens)$|^iap\.|^container\.clusters\.impersonate$|^cloudkms\.cryptoKeyVersions\.useTo|^storage\.buckets\.(enableObjectRetention|getObjectInsights|restore)$|^logging\.views\.access$/;

export const BASIC_ROLES: RoleTable = {
  "roles/owner": {
    title: "Owner",
    permissions: () =>
      new Set([...PERMISSIONS].filter((name) => !BY_BUCKET_POLICY.test(name) && !NOT_FOR_OWNERS.test(name))),
  },
  "roles/editor": {
    title: "Editor",
    permissions: () =>
      new Set([
        ...VIEWER(),
        ...[...PERMISSIONS].filter(
          (name) => !BY_BUCKET_POLICY.test(name) && !NOT_FOR_OWNERS.test(name) && !NOT_FOR_EDITORS.test(name),
        ),
      ]),
  },
  "roles/viewer": { title: "Viewer", permissions: () => new Set(VIEWER()) },
};
