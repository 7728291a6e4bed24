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
    "storage.buckets.list",
    "resourcemanager.projects.get",
    "resourcemanager.projects.list",
    "resourcemanager.projects.getIamPolicy",
  );

/** Basic roles reach a bucket and its contents only through the bucket's own policy (`projectOwner:` and the like). */
const BY_BUCKET_POLICY =
  /^storage\.(objects|folders|managedFolders|multipartUploads|anywhereCaches|bucketOperations)\.|^storage\.buckets\.(get|getIamPolicy|update|setIamPolicy|relocate|restore|getIpFilter|setIpFilter)$/;

/** What `roles/editor` lacks: policies, roles, the identity of service accounts, the project itself, tunnels. */
const NOT_FOR_EDITORS =
  /\.setIamPolicy$|^iam\.roles\.(create|delete|undelete|update)$|^iam\.serviceAccounts\.(getAccessToken|getOpenIdToken|implicitDelegation|signBlob|signJwt)$|^resourcemanager\.projects\.(create|delete|undelete|createBillingAssignment|deleteBillingAssignment|updateLiens)$|^iap\.|^serviceusage\.quotas\.update$/;

export const BASIC_ROLES: RoleTable = {
  "roles/owner": {
    title: "Owner",
    permissions: () => new Set([...PERMISSIONS].filter((name) => !BY_BUCKET_POLICY.test(name))),
  },
  "roles/editor": {
    title: "Editor",
    permissions: () =>
      new Set([
        ...VIEWER(),
        ...[...PERMISSIONS].filter((name) => !NOT_FOR_EDITORS.test(name) && !BY_BUCKET_POLICY.test(name)),
      ]),
  },
  "roles/viewer": { title: "Viewer", permissions: () => new Set(VIEWER()) },
};
