import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Router } from "../../core/http.ts";
import { address, isPrivate, overlap, type Range, readCidr } from "./cidr.ts";
import { addCollection, allowQuery, onOne, pathIn, storedPath } from "./collection.ts";
import { type Compute, fingerprint, requireFingerprint, type Thing, type Where } from "./context.ts";
import { invalid, lastPart, link, pathOf, referred, split } from "./links.ts";
import { type Json, mergePatch, readBody } from "./schema.ts";
import { NETWORK, SUBNETWORK } from "./shapes/network.ts";

/** 400 as Google answers when something else holds on to a resource. */
export function inUse(noun: string, path: string, user: string): GoogleError {
  return new GoogleError(
    400,
    "resourceInUseByAnotherResource",
    `The ${noun} resource '${path}' is already being used by '${user}'`,
  );
}

/** Who refers to a network: subnets, firewalls, routers and machines keep it. */
const NETWORK_USERS = ["subnetworks", "firewalls", "routers", "instances"];

function usersOfNetwork(compute: Compute, path: string, project: string): string[] {
  const self = link(path);
  return NETWORK_USERS.flatMap((plural) =>
    compute
      .list(plural, `projects/${project}/`)
      .filter(([, thing]) => thing.network === self || interfaces(thing).some(({ network }) => network === self))
      .map(([user]) => user),
  ).concat(clustersOn(compute, project, (cluster) => cluster.network === path));
}

/** Clusters that stand on a network or subnetwork keep it. */
function clustersOn(
  compute: Compute,
  project: string,
  test: (cluster: { network: string; subnetwork: string }) => boolean,
): string[] {
  const clusters = compute.cloud.state.collection<{ network: string; subnetwork: string }>("container.clusters");
  return clusters
    .entries()
    .filter(([path, cluster]) => path.startsWith(`projects/${project}/`) && test(cluster))
    .map(([path]) => path);
}

function interfaces(thing: Thing): { network?: string; subnetwork?: string }[] {
  return Array.isArray(thing.networkInterfaces) ? thing.networkInterfaces : [];
}

export function addNetworks(router: Router, compute: Compute): void {
  addCollection(router, compute, {
    plural: "networks",
    singular: "network",
    scope: "global",
    shape: NETWORK,
    make: makeNetwork,
    show: (thing, path) => {
      const subnets = compute.list("subnetworks", `projects/${split(path).project}/`);
      const own = subnets.filter(([, subnet]) => subnet.network === link(path)).map(([, subnet]) => subnet.selfLink);
      return own.length > 0 ? { ...thing, subnetworks: own } : thing;
    },
    removing: (_thing, path) => {
      const [user] = usersOfNetwork(compute, path, split(path).project);
      if (user) throw inUse("network", path, user);
    },
    patch: (thing, body) => {
      for (const name of ["name", "autoCreateSubnetworks"]) {
        if (body[name] !== undefined && body[name] !== thing[name]) {
          throw invalid(`resource.${name}`, body[name], "The field cannot be changed.");
        }
      }
      requireMtu(body.mtu);
      return mergePatch(thing, body);
    },
  });
}

function makeNetwork(body: Json): Json {
  if (body.autoCreateSubnetworks !== false) {
    throw notModelled("networks in auto mode or legacy networks; set autoCreateSubnetworks to false");
  }
  requireMtu(body.mtu);
  const routingConfig = {
    routingMode: "REGIONAL",
    bgpBestPathSelectionMode: "LEGACY",
    ...(body.routingConfig as object),
  };
  return {
    networkFirewallPolicyEnforcementOrder: "AFTER_CLASSIC_FIREWALL",
    ...body,
    mtu: body.mtu || 1460,
    routingConfig,
  };
}

function requireMtu(mtu: unknown): void {
  if (!mtu || (Number(mtu) >= 1300 && Number(mtu) <= 8896)) return;
  throw invalid("resource.mtu", mtu, "Must be a value between 1300 and 8896.");
}

export function addSubnetworks(router: Router, compute: Compute): void {
  addCollection(router, compute, {
    plural: "subnetworks",
    singular: "subnetwork",
    scope: "regions",
    shape: SUBNETWORK,
    make: (body, at) => makeSubnetwork(compute, body, at),
    removing: (thing, path) => {
      const user = subnetworkUser(compute, thing, split(path).project);
      if (user) throw inUse("subnetwork", path, user);
    },
    patch: (thing, body) => patchSubnetwork(compute, thing, body),
  });
  onOne(router, "regions", "subnetworks", "POST", "setPrivateIpGoogleAccess", async (call) => {
    const body = readBody({ privateIpGoogleAccess: "bool" }, await call.json());
    const { path, thing } = target(compute, call, "compute.subnetworks.setPrivateIpGoogleAccess");
    const next = stampSubnetwork({ ...thing, privateIpGoogleAccess: body.privateIpGoogleAccess ?? false });
    return save(compute, call, "setPrivateIpGoogleAccess", path, next);
  });
  onOne(router, "regions", "subnetworks", "POST", "expandIpCidrRange", async (call) => {
    const body = readBody({ ipCidrRange: "string" }, await call.json());
    const { path, thing } = target(compute, call, "compute.subnetworks.expandIpCidrRange");
    const range = subnetRange(body.ipCidrRange, "resource.ipCidrRange");
    const old = readCidr(String(thing.ipCidrRange)) as Range;
    if (range.first > old.first || range.last < old.last || range.bits >= old.bits) {
      throw invalid(
        "resource.ipCidrRange",
        body.ipCidrRange,
        `New range must contain the old one, ${thing.ipCidrRange}.`,
      );
    }
    requireFree(compute, range, String(body.ipCidrRange), String(thing.network), path);
    return save(compute, call, "expandIpCidrRange", path, stampSubnetwork({ ...thing, ipCidrRange: body.ipCidrRange }));
  });
}

function target(compute: Compute, call: Call, permission: string): { path: string; thing: Thing } {
  allowQuery(call, "requestId");
  const path = storedPath(compute, pathIn(call, "subnetworks"));
  compute.requireOn(call, permission, path);
  return { path, thing: compute.get(path) };
}

function save(compute: Compute, call: Call, type: string, path: string, thing: Thing) {
  return compute.begin(call, {
    type,
    target: path,
    targetId: thing.id,
    run: () => {
      compute.save(path, thing);
    },
  });
}

function subnetworkUser(compute: Compute, subnet: Thing, project: string): string | undefined {
  const machine = compute
    .list("instances", `projects/${project}/`)
    .find(([, thing]) => interfaces(thing).some(({ subnetwork }) => subnetwork === subnet.selfLink));
  if (machine) return machine[0];
  const nat = compute
    .list("routers", `projects/${project}/`)
    .find(([, thing]) => JSON.stringify(thing.nats ?? []).includes(`"${subnet.selfLink}"`));
  if (nat) return nat[0];
  const [cluster] = clustersOn(compute, project, ({ subnetwork }) => subnetwork === pathOf(subnet.selfLink));
  return cluster;
}

function makeSubnetwork(compute: Compute, body: Json, at: Where & { path: string; call: Call }): Json {
  const shown = String(body.network ?? "");
  const networkPath = referred(shown, "resource.network", at.project, "networks");
  const network = compute.referent(networkPath, "resource.network", shown, "network");
  compute.requireOn(at.call, "compute.networks.updatePolicy", networkPath);
  const range = subnetRange(body.ipCidrRange, "resource.ipCidrRange");
  requireFree(compute, range, String(body.ipCidrRange), network.selfLink, at.path);
  for (const [index, second] of ((body.secondaryIpRanges ?? []) as Json[]).entries()) {
    const field = `resource.secondaryIpRanges[${index}].ipCidrRange`;
    const secondary = subnetRange(second.ipCidrRange, field);
    if (overlap(range, secondary)) throw invalid(field, second.ipCidrRange, "It overlaps with the primary range.");
    requireFree(compute, secondary, String(second.ipCidrRange), network.selfLink, at.path);
  }
  const { enableFlowLogs, ...rest } = body;
  return stampSubnetwork({
    privateIpGoogleAccess: false,
    privateIpv6GoogleAccess: "DISABLE_GOOGLE_ACCESS",
    purpose: "PRIVATE",
    stackType: "IPV4_ONLY",
    ...rest,
    ...flowLogs(rest.logConfig as Json | undefined, enableFlowLogs === true),
    network: network.selfLink,
    region: link(`projects/${at.project}/${at.place}`),
    gatewayAddress: address(range.first + 1),
  });
}

function flowLogs(given: Json | undefined, wanted: boolean): Json {
  if (!given && !wanted) return {};
  const sampling = given?.flowSampling;
  if (sampling !== undefined && (Number(sampling) < 0 || Number(sampling) > 1)) {
    throw invalid("resource.logConfig.flowSampling", sampling, "Must be a value between 0.0 and 1.0.");
  }
  const enable = given?.enable ?? true;
  const defaults = { aggregationInterval: "INTERVAL_5_SEC", flowSampling: 0.5, metadata: "EXCLUDE_ALL_METADATA" };
  return { logConfig: enable ? { ...defaults, ...given, enable } : { ...given, enable }, enableFlowLogs: enable };
}

function patchSubnetwork(compute: Compute, thing: Thing, body: Json): Thing {
  requireFingerprint(thing.fingerprint, body.fingerprint, "Invalid fingerprint.");
  for (const name of ["name", "ipCidrRange", "region", "description"]) {
    if (body[name] !== undefined && body[name] !== thing[name]) {
      throw invalid(`resource.${name}`, body[name], "The field cannot be changed by this method.");
    }
  }
  if (body.network !== undefined) {
    const path = referred(String(body.network), "resource.network", split(pathOf(thing.selfLink)).project, "networks");
    if (link(path) !== thing.network) throw invalid("resource.network", body.network, "The network cannot be changed.");
  }
  const { network: _same, fingerprint: _old, enableFlowLogs, ...changes } = body;
  for (const [index, second] of ((changes.secondaryIpRanges ?? []) as Json[]).entries()) {
    const range = subnetRange(second.ipCidrRange, `resource.secondaryIpRanges[${index}].ipCidrRange`);
    requireFree(compute, range, String(second.ipCidrRange), String(thing.network), pathOf(thing.selfLink));
  }
  const merged = mergePatch(thing, changes);
  return stampSubnetwork({ ...merged, ...flowLogs(merged.logConfig as Json | undefined, enableFlowLogs === true) });
}

function stampSubnetwork<T extends Json>(subnet: T): T {
  const { fingerprint: _old, ...content } = subnet;
  return { ...subnet, fingerprint: fingerprint(content) };
}

function subnetRange(text: unknown, field: string): Range {
  const range = readCidr(String(text ?? ""));
  if (!range)
    throw invalid(field, text, "Must be a valid IPv4 CIDR range whose host bits are zero (such as 10.0.0.0/20).");
  if (range.bits < 4 || range.bits > 29) throw invalid(field, text, "The mask must be between /4 and /29.");
  if (!isPrivate(range))
    throw invalid(field, text, "The range is not one of the private IPv4 ranges that a subnet may have.");
  return range;
}

function requireFree(compute: Compute, range: Range, text: string, network: string, except: string): void {
  for (const [path, subnet] of compute.list("subnetworks", "projects/")) {
    if (subnet.network !== network || path === except) continue;
    const ranges = [
      subnet.ipCidrRange,
      ...((subnet.secondaryIpRanges ?? []) as Json[]).map((more) => more.ipCidrRange),
    ];
    if (!ranges.some((other) => overlap(range, readCidr(String(other)) as Range))) continue;
    const { place, name } = split(path);
    throw new GoogleError(
      400,
      "invalid",
      `Invalid IPCidrRange: ${text} conflicts with existing subnetwork '${name}' in region '${lastPart(place)}'.`,
    );
  }
}
