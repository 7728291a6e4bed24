/**
 * The constraints that this local cloud knows, and whether they hold lists or are on or off. Where no policy is set,
 * lists allow everything and the others are off. Source: cloud.google.com/resource-manager "Organization policy
 * constraints", stored copy of 2026; a constraint that is missing here is answered with 501.
 */
export const CONSTRAINTS: Readonly<Record<string, "list" | "boolean">> = {
  "compute.disableSerialPortAccess": "boolean",
  "compute.requireOsLogin": "boolean",
  "compute.requireShieldedVm": "boolean",
  "compute.restrictCloudNATUsage": "list",
  "compute.trustedImageProjects": "list",
  "compute.vmExternalIpAccess": "list",
  "gcp.resourceLocations": "list",
  "iam.allowedPolicyMemberDomains": "list",
  "iam.disableServiceAccountCreation": "boolean",
  "iam.managed.allowedPolicyMembers": "boolean",
  "storage.publicAccessPrevention": "boolean",
  "storage.softDeletePolicySeconds": "list",
  "storage.uniformBucketLevelAccess": "boolean",
};
