import { PERMISSIONS } from "../permissions.ts";
import { of, PROJECT_READ, type RoleTable, reads } from "./definition.ts";

const SECURITY_READ = new Set(["iam.roles.get", "iam.serviceAccounts.get"]);

/** Roles on identities and projects. */
export const IDENTITY_ROLES: RoleTable = {
  "roles/browser": of("Browser", ...PROJECT_READ, "resourcemanager.projects.getIamPolicy"),
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
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
  ),
  "roles/iam.roleViewer": of(
    "Role Viewer",
    "iam.roles.get",
    "iam.roles.list",
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
  ),
  "roles/iam.securityReviewer": {
    title: "Security Reviewer",
    permissions: () =>
      new Set([...PERMISSIONS].filter((name) => /\.(getIamPolicy|list)$/.test(name) || SECURITY_READ.has(name))),
  },
  "roles/iam.securityAdmin": {
    title: "Security Admin",
    permissions: () =>
      new Set(
        [...PERMISSIONS].filter((name) => /\.(getIamPolicy|setIamPolicy|list)$/.test(name) || SECURITY_READ.has(name)),
      ),
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
    "serviceusage.operations.get",
    "monitoring.timeSeries.list",
    "serviceusage.quotas.*",
  ),
  "roles/serviceusage.serviceUsageConsumer": of(
    "Service Usage Consumer",
    "serviceusage.services.get",
    "serviceusage.services.list",
    "serviceusage.services.use",
    "serviceusage.operations.get",
    "serviceusage.quotas.get",
    "monitoring.timeSeries.list",
  ),
  "roles/serviceusage.serviceUsageViewer": of(
    "Service Usage Viewer",
    "serviceusage.services.get",
    "serviceusage.services.list",
    "serviceusage.operations.get",
    "serviceusage.quotas.get",
    "monitoring.timeSeries.list",
  ),
};

/** Roles of the services that an environment only writes to. */
export const OPERATIONS_ROLES: RoleTable = {
  "roles/iap.admin": of("IAP Policy Admin", "iap.tunnelInstances.getIamPolicy", "iap.tunnelInstances.setIamPolicy"),
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
