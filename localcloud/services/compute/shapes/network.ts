import { oneOf, type Shape } from "../schema.ts";

// The fields of Google's networking resources, as its REST reference lists them (v1 and beta, read 2026-11-21).

const COMMON = {
  kind: "output",
  id: "output",
  name: "string",
  description: "string",
  selfLink: "output",
  creationTimestamp: "output",
} as const;

const ROUTING_CONFIG: Shape = {
  routingMode: oneOf("REGIONAL", "GLOBAL"),
  bgpBestPathSelectionMode: oneOf("LEGACY", "STANDARD"),
  bgpAlwaysCompareMed: "bool",
  bgpInterRegionCost: "string",
  effectiveBgpAlwaysCompareMed: "output",
  effectiveBgpInterRegionCost: "output",
  // In no reference; Google's Pulumi and Terraform providers send it with every network.
  deleteBgpAlwaysCompareMed: "unmodelled",
};

export const NETWORK: Shape = {
  ...COMMON,
  selfLinkWithId: "output",
  autoCreateSubnetworks: "bool",
  mtu: "int32",
  routingConfig: ROUTING_CONFIG,
  networkFirewallPolicyEnforcementOrder: oneOf("AFTER_CLASSIC_FIREWALL", "BEFORE_CLASSIC_FIREWALL"),
  IPv4Range: "unmodelled",
  gatewayIPv4: "output",
  subnetworks: "output",
  peerings: "output",
  firewallPolicy: "output",
  enableUlaInternalIpv6: "unmodelled",
  internalIpv6Range: "unmodelled",
  networkProfile: "unmodelled",
  params: "unmodelled",
};

export const SUBNETWORK: Shape = {
  ...COMMON,
  network: "string",
  region: "output",
  ipCidrRange: "string",
  secondaryIpRanges: [{ rangeName: "string", ipCidrRange: "string", reservedInternalRange: "unmodelled" }],
  privateIpGoogleAccess: "bool",
  privateIpv6GoogleAccess: oneOf("DISABLE_GOOGLE_ACCESS"),
  stackType: oneOf("IPV4_ONLY"),
  purpose: oneOf("PRIVATE"),
  role: "unmodelled",
  enableFlowLogs: "bool",
  logConfig: {
    enable: "bool",
    aggregationInterval: oneOf(
      "INTERVAL_5_SEC",
      "INTERVAL_30_SEC",
      "INTERVAL_1_MIN",
      "INTERVAL_5_MIN",
      "INTERVAL_10_MIN",
      "INTERVAL_15_MIN",
    ),
    flowSampling: "number",
    metadata: oneOf("INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA", "CUSTOM_METADATA"),
    metadataFields: ["string"],
    filterExpr: "string",
  },
  fingerprint: "string",
  gatewayAddress: "output",
  state: "output",
  allowSubnetCidrRoutesOverlap: "unmodelled",
  resolveSubnetMask: "unmodelled",
  reservedInternalRange: "unmodelled",
  ipCollection: "unmodelled",
  ipv6AccessType: "unmodelled",
  externalIpv6Prefix: "unmodelled",
  internalIpv6Prefix: "unmodelled",
  ipv6CidrRange: "output",
  ipv6GceEndpoint: "output",
  systemReservedExternalIpv6Ranges: "output",
  systemReservedInternalIpv6Ranges: "output",
  utilizationDetails: "output",
  params: "unmodelled",
};

const RULE: Shape = { IPProtocol: "string", ports: ["string"] };

export const FIREWALL: Shape = {
  ...COMMON,
  network: "string",
  direction: oneOf("INGRESS", "EGRESS"),
  priority: "int32",
  allowed: [RULE],
  denied: [RULE],
  sourceRanges: ["string"],
  destinationRanges: ["string"],
  sourceTags: ["string"],
  targetTags: ["string"],
  sourceServiceAccounts: ["string"],
  targetServiceAccounts: ["string"],
  disabled: "bool",
  logConfig: { enable: "bool", metadata: oneOf("INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA") },
  params: "unmodelled",
};

const NAT: Shape = {
  name: "string",
  type: oneOf("PUBLIC"),
  natIpAllocateOption: oneOf("AUTO_ONLY", "MANUAL_ONLY"),
  natIps: ["string"],
  // In no reference; Google's Pulumi and Terraform providers send an empty list of this name with every NAT.
  initialNatIps: "unmodelled",
  drainNatIps: ["string"],
  sourceSubnetworkIpRangesToNat: oneOf(
    "ALL_SUBNETWORKS_ALL_IP_RANGES",
    "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
    "LIST_OF_SUBNETWORKS",
  ),
  sourceSubnetworkIpRangesToNat64: "unmodelled",
  nat64Subnetworks: "unmodelled",
  subnetworks: [{ name: "string", sourceIpRangesToNat: ["string"], secondaryIpRangeNames: ["string"] }],
  minPortsPerVm: "int32",
  maxPortsPerVm: "int32",
  enableDynamicPortAllocation: "bool",
  enableEndpointIndependentMapping: "bool",
  endpointTypes: [oneOf("ENDPOINT_TYPE_VM")],
  autoNetworkTier: oneOf("PREMIUM", "STANDARD"),
  udpIdleTimeoutSec: "int32",
  icmpIdleTimeoutSec: "int32",
  tcpEstablishedIdleTimeoutSec: "int32",
  tcpTransitoryIdleTimeoutSec: "int32",
  tcpTimeWaitTimeoutSec: "int32",
  effectiveTcpTimeWaitTimeoutSec: "output",
  logConfig: { enable: "bool", filter: oneOf("ALL", "ERRORS_ONLY", "TRANSLATIONS_ONLY") },
  rules: "unmodelled",
};

export const ROUTER: Shape = {
  ...COMMON,
  network: "string",
  region: "output",
  nats: [NAT],
  bgp: "unmodelled",
  bgpPeers: "unmodelled",
  interfaces: "unmodelled",
  encryptedInterconnectRouter: "unmodelled",
  md5AuthenticationKeys: "unmodelled",
  nccGateway: "unmodelled",
  params: "unmodelled",
};

export const ADDRESS: Shape = {
  ...COMMON,
  address: "string",
  addressType: oneOf("EXTERNAL", "INTERNAL"),
  ipVersion: oneOf("IPV4"),
  networkTier: oneOf("PREMIUM", "STANDARD"),
  purpose: oneOf("GCE_ENDPOINT"),
  subnetwork: "string",
  network: "unmodelled",
  prefixLength: "unmodelled",
  ipv6EndpointType: "unmodelled",
  ipCollection: "unmodelled",
  region: "output",
  status: "output",
  users: "output",
  labels: "map",
  labelFingerprint: "output",
};
