import { expand, PERMISSIONS } from "./permissions.ts";

/**
 * Google's predefined roles, as far as the environment and its clients use them, cut to the permissions that the local
 * cloud knows. Source: Google's IAM roles reference, read 2026-11. A role outside this table is an error.
 */
interface RoleDefinition {
  title: string;
  permissions: () => Set<string>;
}

const of = (title: string, ...patterns: string[]): RoleDefinition => ({
  title,
  permissions: () => expand(...patterns),
});

const PROJECT_READ = ["resourcemanager.projects.get", "resourcemanager.projects.list"];
const OBJECT_USE = [
  "storage.folders.*",
  "storage.managedFolders.create",
  "storage.managedFolders.delete",
  "storage.managedFolders.get",
  "storage.managedFolders.list",
  "storage.multipartUploads.*",
];
const COMPUTE_READ_BASE = ["compute.projects.get", "compute.regions.*", "compute.zones.*"];

/** Reads that change nothing, over the permissions that fit the prefix. */
const reads = (prefix: string): string[] =>
  [...PERMISSIONS].filter(
    (name) =>
      name.startsWith(prefix) && /\.(get\w*|list\w*)$/.test(name) && !/\.get(AccessToken|OpenIdToken)$/.test(name),
  );

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

const INSTANCE_ADMIN = [
  "compute.acceleratorTypes.*",
  "compute.addresses.createInternal",
  "compute.addresses.deleteInternal",
  "compute.addresses.get",
  "compute.addresses.list",
  "compute.addresses.use",
  "compute.addresses.useInternal",
  "compute.autoscalers.*",
  "compute.diskTypes.*",
  "compute.disks.*",
  "compute.globalAddresses.get",
  "compute.globalAddresses.list",
  "compute.globalAddresses.use",
  "compute.globalOperations.get",
  "compute.globalOperations.list",
  "compute.images.*",
  "compute.instanceGroupManagers.*",
  "compute.instanceGroups.*",
  "compute.instanceTemplates.*",
  "compute.instances.*",
  "compute.machineImages.*",
  "compute.machineTypes.*",
  "compute.networks.get",
  "compute.networks.list",
  "compute.networks.use",
  "compute.networks.useExternalIp",
  "compute.projects.get",
  "compute.projects.setCommonInstanceMetadata",
  "compute.regionOperations.get",
  "compute.regionOperations.list",
  "compute.regions.*",
  "compute.reservations.get",
  "compute.reservations.list",
  "compute.resourcePolicies.*",
  "compute.snapshots.*",
  "compute.subnetworks.get",
  "compute.subnetworks.list",
  "compute.subnetworks.use",
  "compute.subnetworks.useExternalIp",
  "compute.zoneOperations.get",
  "compute.zoneOperations.list",
  "compute.zones.*",
  "serviceusage.quotas.get",
  "serviceusage.services.get",
  "serviceusage.services.list",
  ...PROJECT_READ,
];

const BUCKET_READ = [
  "storage.buckets.get",
  "storage.managedFolders.get",
  "storage.managedFolders.list",
  "storage.multipartUploads.list",
  "storage.objects.list",
];

const ROLES: Record<string, RoleDefinition> = {
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
  "roles/browser": of("Browser", ...PROJECT_READ, "resourcemanager.projects.getIamPolicy"),

  "roles/storage.admin": of("Storage Admin", "storage.*", ...PROJECT_READ),
  "roles/storage.objectAdmin": of(
    "Storage Object Admin",
    "storage.objects.*",
    "storage.folders.*",
    "storage.managedFolders.*",
    "storage.multipartUploads.*",
    ...PROJECT_READ,
  ),
  "roles/storage.objectUser": {
    title: "Storage Object User",
    permissions: () =>
      new Set(
        [...expand("storage.objects.*", ...OBJECT_USE, ...PROJECT_READ)].filter(
          (name) =>
            !/^storage\.objects\.(getIamPolicy|setIamPolicy|overrideUnlockedRetention|setRetention)$/.test(name),
        ),
      ),
  },
  "roles/storage.objectCreator": of(
    "Storage Object Creator",
    "storage.objects.create",
    "storage.objects.createContext",
    "storage.folders.create",
    "storage.managedFolders.create",
    "storage.multipartUploads.abort",
    "storage.multipartUploads.create",
    "storage.multipartUploads.listParts",
    ...PROJECT_READ,
  ),
  "roles/storage.objectViewer": of(
    "Storage Object Viewer",
    "storage.objects.get",
    "storage.objects.list",
    "storage.folders.get",
    "storage.folders.list",
    "storage.managedFolders.get",
    "storage.managedFolders.list",
    ...PROJECT_READ,
  ),
  "roles/storage.bucketViewer": of("Storage Bucket Viewer", "storage.buckets.get", "storage.buckets.list"),
  "roles/storage.legacyBucketReader": of("Storage Legacy Bucket Reader", ...BUCKET_READ),
  "roles/storage.legacyBucketWriter": of(
    "Storage Legacy Bucket Writer",
    ...BUCKET_READ,
    "storage.managedFolders.create",
    "storage.managedFolders.delete",
    "storage.multipartUploads.*",
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.restore",
    "storage.objects.setRetention",
  ),
  "roles/storage.legacyBucketOwner": of(
    "Storage Legacy Bucket Owner",
    ...BUCKET_READ,
    "storage.anywhereCaches.*",
    "storage.bucketOperations.*",
    "storage.buckets.enableObjectRetention",
    "storage.buckets.getIamPolicy",
    "storage.buckets.restore",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
    "storage.managedFolders.*",
    "storage.multipartUploads.*",
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.restore",
    "storage.objects.setRetention",
  ),
  "roles/storage.legacyObjectReader": of("Storage Legacy Object Reader", "storage.objects.get"),
  "roles/storage.legacyObjectOwner": of(
    "Storage Legacy Object Owner",
    "storage.objects.get",
    "storage.objects.getIamPolicy",
    "storage.objects.overrideUnlockedRetention",
    "storage.objects.setIamPolicy",
    "storage.objects.setRetention",
    "storage.objects.update",
  ),

  "roles/compute.admin": of(
    "Compute Admin",
    "compute.*",
    ...PROJECT_READ,
    "serviceusage.quotas.get",
    "serviceusage.services.get",
    "serviceusage.services.list",
  ),
  "roles/compute.instanceAdmin.v1": of("Compute Instance Admin (v1)", ...INSTANCE_ADMIN),
  "roles/compute.viewer": {
    title: "Compute Viewer",
    permissions: () => new Set([...reads("compute."), ...PROJECT_READ]),
  },
  "roles/compute.networkAdmin": of(
    "Compute Network Admin",
    "compute.addresses.*",
    "compute.globalAddresses.*",
    "compute.networks.*",
    "compute.subnetworks.*",
    "compute.routers.*",
    "compute.routes.*",
    "compute.firewalls.get",
    "compute.firewalls.list",
    "compute.globalOperations.get",
    "compute.globalOperations.list",
    "compute.regionOperations.get",
    "compute.regionOperations.list",
    "compute.zoneOperations.get",
    "compute.zoneOperations.list",
    "compute.instances.get",
    "compute.instances.list",
    ...COMPUTE_READ_BASE,
    ...PROJECT_READ,
  ),
  "roles/compute.networkUser": of(
    "Compute Network User",
    "compute.addresses.get",
    "compute.addresses.list",
    "compute.addresses.createInternal",
    "compute.addresses.deleteInternal",
    "compute.addresses.useInternal",
    "compute.networks.access",
    "compute.networks.get",
    "compute.networks.getEffectiveFirewalls",
    "compute.networks.list",
    "compute.networks.use",
    "compute.networks.useExternalIp",
    "compute.firewalls.get",
    "compute.firewalls.list",
    "compute.routers.get",
    "compute.routers.list",
    "compute.routes.get",
    "compute.routes.list",
    "compute.subnetworks.get",
    "compute.subnetworks.list",
    "compute.subnetworks.use",
    "compute.subnetworks.useExternalIp",
    ...COMPUTE_READ_BASE,
    ...PROJECT_READ,
  ),
  "roles/compute.securityAdmin": of(
    "Compute Security Admin",
    "compute.firewalls.*",
    "compute.globalOperations.get",
    "compute.globalOperations.list",
    "compute.instances.getEffectiveFirewalls",
    "compute.instances.updateShieldedInstanceConfig",
    "compute.networks.get",
    "compute.networks.list",
    "compute.networks.updatePolicy",
    "compute.subnetworks.get",
    "compute.subnetworks.list",
    ...COMPUTE_READ_BASE,
    ...PROJECT_READ,
  ),
  "roles/compute.imageUser": of(
    "Compute Image User",
    "compute.images.get",
    "compute.images.getFromFamily",
    "compute.images.list",
    "compute.images.useReadOnly",
    ...PROJECT_READ,
    "serviceusage.quotas.get",
    "serviceusage.services.get",
    "serviceusage.services.list",
  ),
  "roles/compute.osLogin": of(
    "Compute OS Login",
    "compute.disks.get",
    "compute.disks.list",
    "compute.instances.get",
    "compute.instances.list",
    "compute.instances.osLogin",
    "compute.projects.get",
    "compute.zones.get",
    "compute.zones.list",
    ...PROJECT_READ,
  ),
  "roles/compute.osAdminLogin": of(
    "Compute OS Admin Login",
    "compute.disks.get",
    "compute.disks.list",
    "compute.instances.get",
    "compute.instances.list",
    "compute.instances.osAdminLogin",
    "compute.instances.osLogin",
    "compute.projects.get",
    "compute.zones.get",
    "compute.zones.list",
    ...PROJECT_READ,
  ),

  "roles/iam.serviceAccountUser": of(
    "Service Account User",
    "iam.serviceAccounts.actAs",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.list",
    ...PROJECT_READ,
  ),
  "roles/iam.serviceAccountTokenCreator": of(
    "Service Account Token Creator",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.list",
    "iam.serviceAccounts.signBlob",
    "iam.serviceAccounts.signJwt",
    ...PROJECT_READ,
  ),
  "roles/iam.serviceAccountOpenIdTokenCreator": of(
    "Service Account OpenID Connect Identity Token Creator",
    "iam.serviceAccounts.getOpenIdToken",
  ),
  "roles/iam.workloadIdentityUser": of(
    "Workload Identity User",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.list",
  ),
  "roles/iam.serviceAccountAdmin": of(
    "Service Account Admin",
    "iam.serviceAccounts.create",
    "iam.serviceAccounts.delete",
    "iam.serviceAccounts.disable",
    "iam.serviceAccounts.enable",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccounts.list",
    "iam.serviceAccounts.setIamPolicy",
    "iam.serviceAccounts.undelete",
    "iam.serviceAccounts.update",
    ...PROJECT_READ,
  ),
  "roles/iam.serviceAccountCreator": of(
    "Create Service Accounts",
    "iam.serviceAccounts.create",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.list",
    ...PROJECT_READ,
  ),
  "roles/iam.serviceAccountDeleter": of(
    "Delete Service Accounts",
    "iam.serviceAccounts.delete",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.list",
    ...PROJECT_READ,
  ),
  "roles/iam.serviceAccountViewer": of(
    "View Service Accounts",
    "iam.serviceAccountKeys.get",
    "iam.serviceAccountKeys.list",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccounts.list",
    ...PROJECT_READ,
  ),
  "roles/iam.roleAdmin": of(
    "Role Administrator",
    "iam.roles.*",
    ...PROJECT_READ,
    "resourcemanager.projects.getIamPolicy",
  ),
  "roles/iam.roleViewer": of(
    "Role Viewer",
    "iam.roles.get",
    "iam.roles.list",
    ...PROJECT_READ,
    "resourcemanager.projects.getIamPolicy",
  ),
  "roles/iam.securityReviewer": {
    title: "Security Reviewer",
    permissions: () => new Set([...PERMISSIONS].filter((name) => /\.(getIamPolicy|list)$/.test(name))),
  },
  "roles/iam.securityAdmin": {
    title: "Security Admin",
    permissions: () => new Set([...PERMISSIONS].filter((name) => /\.(getIamPolicy|setIamPolicy|list)$/.test(name))),
  },

  "roles/resourcemanager.projectIamAdmin": of(
    "Project IAM Admin",
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
    "resourcemanager.projects.setIamPolicy",
  ),
  "roles/serviceusage.serviceUsageAdmin": of(
    "Service Usage Admin",
    "serviceusage.services.*",
    "serviceusage.operations.*",
    "serviceusage.quotas.*",
  ),
  "roles/serviceusage.serviceUsageConsumer": of(
    "Service Usage Consumer",
    "serviceusage.services.get",
    "serviceusage.services.list",
    "serviceusage.services.use",
    "serviceusage.operations.get",
    "serviceusage.operations.list",
    "serviceusage.quotas.get",
  ),
  "roles/serviceusage.serviceUsageViewer": of(
    "Service Usage Viewer",
    "serviceusage.services.get",
    "serviceusage.services.list",
    "serviceusage.operations.get",
    "serviceusage.operations.list",
    "serviceusage.quotas.get",
  ),
  "roles/iap.tunnelResourceAccessor": of("IAP-secured Tunnel User", "iap.tunnelInstances.accessViaIAP"),
  "roles/logging.logWriter": of("Logs Writer", "logging.logEntries.create", "logging.logEntries.route"),
  "roles/logging.viewer": of(
    "Logs Viewer",
    "logging.logEntries.list",
    "logging.logs.list",
    "logging.views.get",
    "logging.views.list",
    "resourcemanager.projects.get",
  ),
  "roles/monitoring.metricWriter": of(
    "Monitoring Metric Writer",
    "monitoring.timeSeries.create",
    "monitoring.metricDescriptors.create",
    "monitoring.metricDescriptors.get",
    "monitoring.metricDescriptors.list",
    "monitoring.monitoredResourceDescriptors.*",
  ),
  "roles/monitoring.viewer": {
    title: "Monitoring Viewer",
    permissions: () => new Set([...reads("monitoring."), ...PROJECT_READ]),
  },
};

const BASIC = new Set(["roles/owner", "roles/editor", "roles/viewer"]);

export function isBasicRole(role: string): boolean {
  return BASIC.has(role);
}

const expanded = new Map<string, ReadonlySet<string>>();

/** The permissions of a predefined role, or `undefined` if the table has no such role. */
export function predefinedRole(name: string): ReadonlySet<string> | undefined {
  const definition = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
  if (!definition) return undefined;
  let permissions = expanded.get(name);
  if (!permissions) {
    permissions = definition.permissions();
    expanded.set(name, permissions);
  }
  return permissions;
}

export function predefinedRoles(): { name: string; title: string }[] {
  return Object.entries(ROLES).map(([name, { title }]) => ({ name, title }));
}
