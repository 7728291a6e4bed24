import { notModelled } from "../../core/errors.ts";
import type { Call, Router } from "../../core/http.ts";
import { addCollection, base } from "./collection.ts";
import type { Compute, Thing, Where } from "./context.ts";
import { invalid, link, referred } from "./links.ts";
import { requireName } from "./rules.ts";
import { type Json, mergePatch } from "./schema.ts";
import { ROUTER } from "./shapes/network.ts";

export function addRouters(router: Router, compute: Compute): void {
  const patch = (thing: Thing, body: Json, at: Where): Thing => {
    if (body.name !== undefined && body.name !== thing.name) {
      throw invalid("resource.name", body.name, "The name cannot be changed.");
    }
    if (body.network !== undefined) {
      const network = referred(String(body.network), "resource.network", at.project, "networks");
      if (link(network) !== thing.network)
        throw invalid("resource.network", body.network, "The network cannot be changed.");
    }
    const { network: _same, ...changes } = body;
    return mergePatch(thing, { ...changes, ...(changes.nats ? { nats: readNats(compute, changes.nats, at) } : {}) });
  };
  addCollection(router, compute, {
    plural: "routers",
    singular: "router",
    scope: "regions",
    shape: ROUTER,
    make: (body, at) => makeRouter(compute, body, at),
    patch,
  });
  for (const verb of ["getNatMappingInfo", "getNatIpInfo", "getRouterStatus"]) {
    router.on("GET", `${base("regions")}/routers/{name}/${verb}`, () => {
      throw notModelled(`routers.${verb}: there is no traffic to report on`);
    });
  }
}

function makeRouter(compute: Compute, body: Json, at: Where & { call: Call }): Json {
  const shown = String(body.network ?? "");
  const networkPath = referred(shown, "resource.network", at.project, "networks");
  const network = compute.referent(networkPath, "resource.network", shown, "network");
  compute.requireOn(at.call, "compute.networks.updatePolicy", networkPath);
  const nats = body.nats ? { nats: readNats(compute, body.nats, at) } : {};
  return { ...body, ...nats, network: network.selfLink, region: link(`projects/${at.project}/${at.place}`) };
}

function readNats(compute: Compute, given: unknown, at: Where): Json[] {
  const names = new Set<string>();
  return (given as Json[]).map((nat, index) => {
    const field = `resource.nats[${index}]`;
    const name = requireName(nat.name, `${field}.name`);
    if (names.has(name)) throw invalid(`${field}.name`, name, "Another NAT of this router has this name.");
    names.add(name);
    const ranges = nat.sourceSubnetworkIpRangesToNat;
    if (ranges === undefined) throw invalid(`${field}.sourceSubnetworkIpRangesToNat`, "", "The field is required.");
    const listed = ranges === "LIST_OF_SUBNETWORKS";
    const subnetworks = (nat.subnetworks ?? []) as Json[];
    if (listed !== subnetworks.length > 0) {
      throw invalid(`${field}.subnetworks`, "", "Subnetworks go with LIST_OF_SUBNETWORKS, and only with it.");
    }
    const manual = nat.natIpAllocateOption === "MANUAL_ONLY";
    if (manual !== ((nat.natIps ?? []) as unknown[]).length > 0) {
      throw invalid(`${field}.natIps`, "", "NAT addresses go with MANUAL_ONLY, and only with it.");
    }
    requirePorts(nat, field);
    return {
      natIpAllocateOption: "AUTO_ONLY",
      type: "PUBLIC",
      endpointTypes: ["ENDPOINT_TYPE_VM"],
      enableEndpointIndependentMapping: false,
      autoNetworkTier: "PREMIUM",
      ...nat,
      ...(listed
        ? {
            subnetworks: subnetworks.map((subnet, at2) =>
              natSubnet(compute, subnet, `${field}.subnetworks[${at2}]`, at),
            ),
          }
        : {}),
    };
  });
}

function requirePorts(nat: Json, field: string): void {
  const { minPortsPerVm: least, maxPortsPerVm: most, enableDynamicPortAllocation: dynamic } = nat;
  if (least !== undefined && Number(least) < (dynamic ? 32 : 2)) {
    throw invalid(`${field}.minPortsPerVm`, least, `Must be at least ${dynamic ? 32 : 2}.`);
  }
  if (dynamic && nat.enableEndpointIndependentMapping) {
    throw invalid(
      `${field}.enableDynamicPortAllocation`,
      true,
      "Dynamic port allocation and endpoint independent mapping exclude each other.",
    );
  }
  if (most !== undefined && !dynamic) {
    throw invalid(`${field}.maxPortsPerVm`, most, "It needs dynamic port allocation.");
  }
}

function natSubnet(compute: Compute, subnet: Json, field: string, at: Where): Json {
  const shown = String(subnet.name ?? "");
  const path = referred(shown, `${field}.name`, at.project, "subnetworks");
  const found = compute.referent(path, `${field}.name`, shown, "subnetwork");
  if (!path.includes(`/${at.place}/`)) throw invalid(`${field}.name`, shown, `The subnetwork is not in ${at.place}.`);
  return { sourceIpRangesToNat: ["ALL_IP_RANGES"], ...subnet, name: found.selfLink };
}
