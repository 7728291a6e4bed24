/**
 * The permissions that this local cloud knows, by resource type. A permission outside this table is an error and never
 * granted or denied in silence. Held on 2026-11-21 against a public daily dump of what Google's IAM API answers for its
 * predefined roles (github.com/darkbitio/gcp-iam-role-permissions, state of 2026-08-22): every name here is held by a
 * role there. Complete for the types that the local cloud serves, bar tags and features that it has not; a name that is
 * missing here may well exist at Google.
 */
const VERBS: Record<string, string> = {
  "storage.buckets":
    "create delete enableObjectRetention get getIamPolicy getIpFilter getObjectInsights list relocate restore setIamPolicy setIpFilter update viewIntelligenceDetails",
  "storage.objects":
    "create createContext delete deleteContext get getIamPolicy list move overrideUnlockedRetention restore setIamPolicy setRetention update updateContext",
  "storage.multipartUploads": "abort create list listParts",
  "storage.folders": "create delete get list rename",
  "storage.managedFolders": "create delete get getIamPolicy list setIamPolicy",
  "storage.anywhereCaches": "create disable get list pause resume update",
  "storage.bucketOperations": "cancel get list",
  "storage.hmacKeys": "create delete get list update",

  "compute.acceleratorTypes": "get list",
  "compute.addresses": "create createInternal delete deleteInternal get list setLabels use useInternal",
  "compute.autoscalers": "create delete get list update",
  "compute.diskTypes": "get list",
  "compute.disks":
    "addResourcePolicies create createSnapshot delete get getIamPolicy list removeResourcePolicies resize setIamPolicy setLabels startAsyncReplication stopAsyncReplication stopGroupAsyncReplication update updateKmsKey use useReadOnly",
  "compute.firewalls": "create delete get list update",
  "compute.globalAddresses": "create createInternal delete deleteInternal get list setLabels use",
  "compute.globalOperations": "delete get getIamPolicy list setIamPolicy",
  "compute.images":
    "create delete deprecate get getFromFamily getIamPolicy list setIamPolicy setLabels update useReadOnly",
  "compute.instanceGroupManagers": "create delete get list update use",
  "compute.instanceGroups": "create delete get list update use",
  "compute.instanceTemplates": "create delete get getIamPolicy list setIamPolicy useReadOnly",
  "compute.instances":
    "addAccessConfig addNetworkInterface addResourcePolicies attachDisk create delete deleteAccessConfig deleteNetworkInterface detachDisk get getEffectiveFirewalls getGuestAttributes getIamPolicy getScreenshot getSerialPortOutput getShieldedInstanceIdentity getShieldedVmIdentity getVmExtensionState list listReferrers listVmExtensionStates osAdminLogin osLogin pscInterfaceCreate removeResourcePolicies reset resume sendDiagnosticInterrupt setDeletionProtection setDiskAutoDelete setIamPolicy setLabels setMachineResources setMachineType setMetadata setMinCpuPlatform setName setScheduling setSecurityPolicy setServiceAccount setShieldedInstanceIntegrityPolicy setShieldedVmIntegrityPolicy setTags simulateMaintenanceEvent start startWithEncryptionKey stop suspend update updateAccessConfig updateDisplayDevice updateNetworkInterface updateSecurity updateShieldedInstanceConfig updateShieldedVmConfig use useReadOnly",
  "compute.machineImages": "create delete get getIamPolicy list setIamPolicy useReadOnly",
  "compute.machineTypes": "get list",
  "compute.networks":
    "access addPeering create delete get getEffectiveFirewalls getRegionEffectiveFirewalls list listPeeringRoutes mirror removePeering setFirewallPolicy setNetworkPolicy switchToCustomMode update updatePeering updatePolicy use useExternalIp",
  "compute.projects":
    "get setCommonInstanceMetadata setDefaultNetworkTier setDefaultServiceAccount setUsageExportBucket",
  "compute.regionOperations": "delete get getIamPolicy list setIamPolicy",
  "compute.regions": "get list",
  "compute.reservations": "create delete get list resize update",
  "compute.resourcePolicies": "create delete get getIamPolicy list setIamPolicy update use useReadOnly",
  "compute.routers":
    "create delete deleteRoutePolicy get getRoutePolicy list listBgpRoutes listRoutePolicies update updateRoutePolicy use",
  "compute.routes": "create delete get list",
  "compute.snapshots": "create delete get getIamPolicy list setIamPolicy setLabels useReadOnly",
  "compute.subnetworks":
    "create delete expandIpCidrRange get getIamPolicy list mirror setIamPolicy setPrivateIpGoogleAccess update use useExternalIp usePeerMigration",
  "compute.zoneOperations": "delete get getIamPolicy list setIamPolicy",
  "compute.zones": "get list",

  "iam.roles": "create delete get list undelete update",
  "iam.serviceAccountKeys": "create delete disable enable get list",
  "iam.serviceAccounts":
    "actAs create delete disable enable get getAccessToken getIamPolicy getOpenIdToken implicitDelegation list setIamPolicy signBlob signJwt undelete update",

  "resourcemanager.projects":
    "create createBillingAssignment delete deleteBillingAssignment get getIamPolicy list setIamPolicy undelete update updateLiens",
  "serviceusage.services": "disable enable get list use",
  "serviceusage.operations": "get",
  "serviceusage.quotas": "get update",

  "orgpolicy.constraints": "list",
  "orgpolicy.policies": "create delete list update",
  "orgpolicy.policy": "get set",

  "autoscaling.sites": "writeMetrics",
  "container.clusters": "connect create delete get getCredentials impersonate list update",
  "container.operations": "get list",
  "cloudkms.cryptoKeys": "create get getIamPolicy list setIamPolicy update",
  "cloudkms.cryptoKeyVersions": "create destroy get list restore update useToDecrypt useToEncrypt",
  "cloudkms.keyRings": "create get getIamPolicy list setIamPolicy",

  "iap.tunnelInstances": "accessViaIAP getIamPolicy setIamPolicy",
  "logging.logEntries": "create download list route",
  "logging.logs": "delete list",
  "logging.views":
    "access create delete get getIamPolicy list listLogs listResourceKeys listResourceValues setIamPolicy update",
  "monitoring.timeSeries": "create list",
  "monitoring.metricDescriptors": "create delete get list",
  "monitoring.monitoredResourceDescriptors": "get list",
};

export const PERMISSIONS: ReadonlySet<string> = new Set(
  Object.entries(VERBS).flatMap(([type, verbs]) => verbs.split(" ").map((verb) => `${type}.${verb}`)),
);

/** Every known permission that fits one of the patterns: a name, or a prefix that ends in `*`. */
export function expand(...patterns: string[]): Set<string> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const wanted = [...PERMISSIONS].filter((permission) =>
      pattern.endsWith("*") ? permission.startsWith(pattern.slice(0, -1)) : permission === pattern,
    );
    if (wanted.length === 0) throw new Error(`No permission fits ${pattern}: the table of permissions lacks it.`);
    for (const permission of wanted) found.add(permission);
  }
  return found;
}
