import { unlessGone } from "../client.ts";
import { change } from "../operations.ts";
import type { ResourceType } from "../resource.ts";
import { boolean, fromRest, link, list, number, object, type Shape, string, strings, toRest } from "../schema.ts";
import { getPath, isObject, type Props, text } from "../values.ts";
import { computeResource, NAME, patchChanged } from "./compute-collection.ts";

/** An IPv4 range in CIDR form; whether host bits are set is left to Google, as in the real provider. */
const CIDR = /^(\d{1,3}\.){3}\d{1,3}\/(\d|[12]\d|3[0-2])$/;

const network = computeResource({
  token: "gcp:compute/network:Network",
  collection: "networks",
  scope: "global",
  shape: {
    description: string({ forceNew: true }),
    autoCreateSubnetworks: boolean({ forceNew: true, default: true }),
    routingMode: string({ rest: "routingConfig.routingMode", computed: true, oneOf: ["REGIONAL", "GLOBAL"] }),
    mtu: number({ forceNew: true, computed: true }),
    deleteDefaultRoutesOnCreate: boolean({ local: true }),
    networkFirewallPolicyEnforcementOrder: string({ computed: true }),
  },
  computed: ["gatewayIpv4", "networkId", "numericId"],
  outputs: (body) => ({ gatewayIpv4: body.gatewayIPv4 ?? "", networkId: body.id, numericId: body.id }),
  update: "patch",
});

const subnetworkShape: Shape = {
  description: string({ forceNew: true }),
  ipCidrRange: string({ pattern: CIDR, computed: true }),
  network: link("global/networks", { forceNew: true, required: true }),
  purpose: string({ forceNew: true, computed: true }),
  role: string({}),
  stackType: string({ computed: true }),
  privateIpGoogleAccess: boolean({ computed: true }),
  secondaryIpRanges: list({
    rangeName: string({ required: true }),
    ipCidrRange: string({ pattern: CIDR }),
  }),
  logConfig: object(
    {
      aggregationInterval: string({ default: "INTERVAL_5_SEC" }),
      flowSampling: number({ default: 0.5 }),
      metadata: string({ default: "INCLUDE_ALL_METADATA" }),
      metadataFields: strings({ unordered: true }),
      filterExpr: string({ default: "true" }),
    },
    { constant: { enable: true } },
  ),
};

const subnetwork = computeResource({
  token: "gcp:compute/subnetwork:Subnetwork",
  collection: "subnetworks",
  scope: "region",
  shape: subnetworkShape,
  computed: ["gatewayAddress", "creationTimestamp", "subnetworkId", "fingerprint"],
  outputs: (body) => ({
    gatewayAddress: body.gatewayAddress,
    creationTimestamp: body.creationTimestamp,
    subnetworkId: Number(body.id),
    fingerprint: body.fingerprint,
  }),
  async update(context, id, news, changed, body) {
    if (changed.delete("privateIpGoogleAccess")) {
      const access = { privateIpGoogleAccess: news.privateIpGoogleAccess === true };
      await change(context, "POST", `${id}/setPrivateIpGoogleAccess`, access, "Subnetwork to be updated");
    }
    if (changed.delete("ipCidrRange")) {
      const range = { ipCidrRange: news.ipCidrRange };
      await change(context, "POST", `${id}/expandIpCidrRange`, range, "Subnetwork to be updated");
    }
    const { fingerprint } = await context.client.get("compute", id);
    if (changed.has("logConfig") && news.logConfig === undefined) body.logConfig = { enable: false };
    await patchChanged(context, id, body, news, changed, subnetworkShape, "Subnetwork", { fingerprint });
  },
});

const rules = (rest: string): Shape[string] =>
  list({ protocol: string({ required: true, rest: "IPProtocol" }), ports: strings() }, { rest, unordered: true });

const firewall = computeResource({
  token: "gcp:compute/firewall:Firewall",
  collection: "firewalls",
  scope: "global",
  shape: {
    description: string(),
    network: link("global/networks", { forceNew: true, required: true }),
    direction: string({ forceNew: true, computed: true, oneOf: ["INGRESS", "EGRESS"] }),
    priority: number({ default: 1000, refuse: between(0, 65535) }),
    disabled: boolean(),
    allows: rules("allowed"),
    denies: rules("denied"),
    sourceRanges: strings({ unordered: true, computed: true }),
    destinationRanges: strings({ unordered: true, computed: true }),
    sourceTags: strings({ unordered: true }),
    targetTags: strings({ unordered: true }),
    sourceServiceAccounts: strings({ unordered: true }),
    targetServiceAccounts: strings({ unordered: true }),
    logConfig: object(
      { metadata: string({ required: true, oneOf: ["EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA"] }) },
      { constant: { enable: true } },
    ),
  },
  computed: ["creationTimestamp"],
  outputs: (body) => ({ creationTimestamp: body.creationTimestamp }),
  refuse(inputs) {
    const problems: { property: string; reason: string }[] = [];
    if ((inputs.allows === undefined) === (inputs.denies === undefined)) {
      problems.push({ property: "allows", reason: "one of `allows,denies` must be specified, and only one" });
    }
    const sources = ["sourceRanges", "sourceTags", "sourceServiceAccounts"];
    if (inputs.direction !== "EGRESS" && sources.every((name) => inputs[name] === undefined)) {
      problems.push({
        property: "sourceRanges",
        reason: "one of source_tags, source_ranges, or source_service_accounts must be defined if direction is INGRESS",
      });
    }
    return problems;
  },
  update: "patch",
});

const router = computeResource({
  token: "gcp:compute/router:Router",
  collection: "routers",
  scope: "region",
  shape: {
    description: string(),
    network: link("global/networks", { forceNew: true, required: true }),
    bgp: object({
      asn: number({ required: true }),
      advertiseMode: string({ default: "DEFAULT" }),
      advertisedGroups: strings(),
      keepaliveInterval: number({ computed: true }),
    }),
  },
  computed: ["creationTimestamp"],
  outputs: (body) => ({ creationTimestamp: body.creationTimestamp }),
  update: "patch",
});

const natShape: Shape = {
  name: string({ forceNew: true, pattern: NAME, computed: true }),
  project: string({ forceNew: true, computed: true, local: true }),
  region: string({ forceNew: true, computed: true, local: true }),
  router: string({ forceNew: true, required: true, local: true }),
  type: string({ forceNew: true, default: "PUBLIC" }),
  natIpAllocateOption: string({ oneOf: ["MANUAL_ONLY", "AUTO_ONLY"] }),
  natIps: strings({ unordered: true }),
  sourceSubnetworkIpRangesToNat: string({
    required: true,
    oneOf: ["ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "LIST_OF_SUBNETWORKS"],
  }),
  subnetworks: list(
    {
      name: link("regions/{region}/subnetworks", { required: true }),
      sourceIpRangesToNats: strings({ rest: "sourceIpRangesToNat", required: true, unordered: true }),
      secondaryIpRangeNames: strings({ unordered: true }),
    },
    { unordered: true },
  ),
  minPortsPerVm: number({ computed: true }),
  maxPortsPerVm: number(),
  enableDynamicPortAllocation: boolean({ computed: true }),
  enableEndpointIndependentMapping: boolean({ computed: true }),
  udpIdleTimeoutSec: number({ default: 30 }),
  icmpIdleTimeoutSec: number({ default: 30 }),
  tcpEstablishedIdleTimeoutSec: number({ default: 1200 }),
  tcpTransitoryIdleTimeoutSec: number({ default: 30 }),
  tcpTimeWaitTimeoutSec: number({ default: 120 }),
  logConfig: object({
    enable: boolean({ required: true }),
    filter: string({ required: true, oneOf: ["ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL"] }),
  }),
};

type NatList = Props[];

/** A NAT is a member of its router: every change reads the router and writes the whole list back. */
const routerNat: ResourceType = {
  token: "gcp:compute/routerNat:RouterNat",
  shape: natShape,
  autoName: { property: "name", maximum: 63 },
  computed: ["autoNetworkTier"],

  async create(context, inputs) {
    const { project, region } = context.place;
    const id = `${project}/${region}/${text(inputs.router)}/${text(inputs.name)}`;
    await writeNats(context, id, "RouterNat to be created", (nats) => {
      if (nats.some(({ name }) => name === inputs.name))
        throw new Error(`Router nat ${text(inputs.name)} already exists`);
      return [...nats, toRest(natShape, inputs, context.place)];
    });
    return (await routerNat.read(context, id, {})) as Awaited<ReturnType<ResourceType["create"]>>;
  },

  async read(context, id) {
    const [project, region, routerName, name] = id.split("/") as [string, string, string, string];
    const body = await unlessGone(context.client.get("compute", routerPath(id)));
    const nat = natsOf(body).find((candidate) => candidate.name === name);
    if (!nat) return undefined;
    const place = { project, region, router: routerName };
    return {
      id,
      outputs: { ...place, autoNetworkTier: nat.autoNetworkTier ?? "PREMIUM" },
      inputs: { ...fromRest(natShape, nat), ...place },
    };
  },

  async update(context, id, _olds, news) {
    const [project, region] = id.split("/") as [string, string];
    const nat = toRest(natShape, news, { ...context.place, project, region });
    await writeNats(context, id, "RouterNat to be updated", (nats) =>
      nats.map((candidate) => (candidate.name === nat.name ? nat : candidate)),
    );
    return (await routerNat.read(context, id, {})) as Awaited<ReturnType<ResourceType["create"]>>;
  },

  async delete(context, id) {
    const name = id.split("/")[3];
    await unlessGone(
      writeNats(context, id, "RouterNat to be deleted", (nats) => nats.filter((nat) => nat.name !== name)),
    );
  },
};

function routerPath(id: string): string {
  const [project, region, name] = id.split("/");
  return `projects/${project}/regions/${region}/routers/${name}`;
}

function natsOf(body: Props | undefined): NatList {
  const nats = isObject(body) ? getPath(body, "nats") : undefined;
  return Array.isArray(nats) ? (nats as NatList) : [];
}

async function writeNats(
  context: Parameters<ResourceType["create"]>[0],
  id: string,
  doing: string,
  edit: (nats: NatList) => NatList,
): Promise<void> {
  const path = routerPath(id);
  const nats = edit(natsOf(await context.client.get("compute", path)));
  await change(context, "PATCH", path, { nats }, doing);
}

function between(low: number, high: number): (value: unknown) => string | undefined {
  return (value) =>
    Number(value) >= low && Number(value) <= high ? undefined : `expected to be in the range (${low} - ${high})`;
}

export const networkTypes: ResourceType[] = [network, subnetwork, firewall, router, routerNat];
