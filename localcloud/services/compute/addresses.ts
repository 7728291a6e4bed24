import { notModelled } from "../../core/errors.ts";
import type { Router } from "../../core/http.ts";
import { address, type Range, readAddress, readCidr } from "./cidr.ts";
import { addCollection } from "./collection.ts";
import type { Compute, Thing, Where } from "./context.ts";
import { invalid, link, pathOf, referred, split } from "./links.ts";
import { inUse } from "./networks.ts";
import type { Json } from "./schema.ts";
import { ADDRESS } from "./shapes/network.ts";
import type { Instance } from "./types.ts";

/** Documentation addresses (RFC 5737): a public address of the local cloud leads nowhere. */
const EXTERNAL = readCidr("203.0.113.0/24") as Range;

export function addAddresses(router: Router, compute: Compute): void {
  for (const scope of ["global", "regions"] as const) {
    addCollection(router, compute, {
      plural: "addresses",
      singular: "address",
      scope,
      shape: ADDRESS,
      permissions: scope === "global" ? "globalAddresses" : "addresses",
      labels: true,
      make: (body, at) => makeAddress(compute, body, at),
      show: (thing) => shown(compute, thing),
      removing: (thing, path) => {
        const [user] = users(compute, thing);
        if (user) throw inUse("address", path, pathOf(user));
      },
    });
  }
}

function makeAddress(compute: Compute, body: Json, at: Where): Json {
  const region = at.place === "global" ? {} : { region: link(`projects/${at.project}/${at.place}`) };
  const common = { addressType: "EXTERNAL", ipVersion: "IPV4", ...body, ...region };
  if (common.addressType === "EXTERNAL") {
    if (body.address) throw invalid("resource.address", body.address, "Google chooses an external address.");
    return { networkTier: "PREMIUM", ...common, address: externalAddress(compute, at.project) };
  }
  if (at.place === "global") throw notModelled("global internal addresses");
  const text = String(body.subnetwork ?? "");
  const path = referred(text, "resource.subnetwork", at.project, "subnetworks");
  const subnet = compute.referent(path, "resource.subnetwork", text, "subnetwork");
  const given = body.address as string | undefined;
  return {
    purpose: "GCE_ENDPOINT",
    ...common,
    subnetwork: subnet.selfLink,
    address: internalAddress(compute, subnet, given, "resource.address"),
  };
}

function users(compute: Compute, thing: Thing): string[] {
  const machines = compute.records("instances").values() as Instance[];
  return machines
    .filter(({ networkInterfaces }) =>
      networkInterfaces.some(
        ({ networkIP, subnetwork, accessConfigs }) =>
          (networkIP === thing.address && subnetwork === thing.subnetwork) ||
          (accessConfigs ?? []).some(({ natIP }) => natIP === thing.address),
      ),
    )
    .map(({ selfLink }) => selfLink);
}

function shown(compute: Compute, thing: Thing): Thing {
  const by = users(compute, thing);
  return by.length > 0 ? { ...thing, status: "IN_USE", users: by } : { ...thing, status: "RESERVED" };
}

/** A public address that nobody has. */
export function externalAddress(compute: Compute, project: string): string {
  const taken = new Set<unknown>(compute.list("addresses", "projects/").map(([, thing]) => thing.address));
  for (const { networkInterfaces } of compute.records("instances").values() as Instance[]) {
    for (const { accessConfigs } of networkInterfaces) for (const { natIP } of accessConfigs ?? []) taken.add(natIP);
  }
  for (let value = EXTERNAL.first + 1; value < EXTERNAL.last; value += 1) {
    if (!taken.has(address(value))) return address(value);
  }
  throw invalid("resource.address", project, "All external addresses of the local cloud are in use.");
}

/** The address of a machine in a subnet: the one that was asked for, or the first that is free. */
export function internalAddress(
  compute: Compute,
  subnet: Thing,
  given: string | undefined,
  field: string,
  own?: string,
): string {
  const range = readCidr(String(subnet.ipCidrRange)) as Range;
  const taken = new Set<unknown>();
  for (const [, thing] of compute.list("addresses", `projects/${split(pathOf(subnet.selfLink)).project}/`)) {
    if (thing.subnetwork === subnet.selfLink && thing.address !== own) taken.add(thing.address);
  }
  for (const { networkInterfaces } of compute.records("instances").values() as Instance[]) {
    for (const { networkIP, subnetwork } of networkInterfaces) if (subnetwork === subnet.selfLink) taken.add(networkIP);
  }
  if (given) {
    const value = readAddress(given);
    const usable = value !== undefined && value > range.first + 1 && value < range.last - 1;
    if (!usable)
      throw invalid(field, given, `It is no usable address of the subnetwork's range ${subnet.ipCidrRange}.`);
    if (taken.has(given)) throw invalid(field, given, "IP address is in-use and would result in a conflict.");
    return given;
  }
  // Google keeps the first two and the last two addresses of a range.
  for (let value = range.first + 2; value < range.last - 1; value += 1) {
    if (!taken.has(address(value))) return address(value);
  }
  throw invalid(field, "", `IP_SPACE_EXHAUSTED: the range ${subnet.ipCidrRange} has no free address.`);
}
