import { ApiError, unlessGone } from "../client.ts";
import { changedInputs } from "../diff.ts";
import type { Context, Found, ResourceType } from "../resource.ts";
import { boolean, fromRest, link, map, number, object, type Shape, string, strings, toRest } from "../schema.ts";
import { isObject, type Props, setPath, text } from "../values.ts";
import { containerOperation, nodeConfigShape } from "./container-common.ts";
import { nodePool } from "./container-pool.ts";

const CHANNELS = ["UNSPECIFIED", "RAPID", "REGULAR", "STABLE", "EXTENDED"];

const enabled = (options = {}) => object({ enabled: boolean({ required: true }) }, options);
const disabled = () => object({ disabled: boolean({ required: true }) }, { computed: true });

/** Inputs of a cluster, each with its place in Google's REST; local ones are put there by `bodyOf`. */
const shape: Shape = {
  name: string({ forceNew: true, computed: true, pattern: /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/ }),
  project: string({ forceNew: true, computed: true, local: true }),
  location: string({ forceNew: true, computed: true, local: true }),
  nodeLocations: strings({ local: true, unordered: true, computed: true }),
  description: string({ forceNew: true }),
  network: link("global/networks", { forceNew: true, default: "default" }),
  subnetwork: link("regions/{region}/subnetworks", { forceNew: true, computed: true }),
  networkingMode: string({ forceNew: true, computed: true, local: true, oneOf: ["VPC_NATIVE", "ROUTES"] }),
  ipAllocationPolicy: object(
    {
      clusterSecondaryRangeName: string({ forceNew: true, computed: true }),
      servicesSecondaryRangeName: string({ forceNew: true, computed: true }),
      stackType: string({ computed: true }),
    },
    { forceNew: true, computed: true, constant: { useIpAliases: true } },
  ),
  datapathProvider: string({
    rest: "networkConfig.datapathProvider",
    forceNew: true,
    computed: true,
    oneOf: ["LEGACY_DATAPATH", "ADVANCED_DATAPATH"],
  }),
  enableIntranodeVisibility: boolean({ rest: "networkConfig.enableIntraNodeVisibility", computed: true }),
  networkPolicy: object({ enabled: boolean({ required: true }), provider: string() }, {}),
  privateClusterConfig: object(
    {
      enablePrivateNodes: boolean(),
      enablePrivateEndpoint: boolean(),
      masterIpv4CidrBlock: string({ forceNew: true }),
    },
    { local: true, computed: true },
  ),
  controlPlaneEndpointsConfig: object(
    {
      dnsEndpointConfig: object(
        {
          endpoint: string({ computed: true }),
          allowExternalTraffic: boolean(),
          enableK8sTokensViaDns: boolean(),
          enableK8sCertsViaDns: boolean(),
        },
        { computed: true },
      ),
      ipEndpointsConfig: object({ enabled: boolean({ default: true }) }, { computed: true }),
    },
    { local: true, computed: true },
  ),
  releaseChannel: object({ channel: string({ required: true, oneOf: CHANNELS }) }, { computed: true }),
  workloadIdentityConfig: object({ workloadPool: string() }, { computed: true }),
  enableShieldedNodes: boolean({ rest: "shieldedNodes.enabled", default: true }),
  enableLegacyAbac: boolean({ rest: "legacyAbac.enabled", default: false }),
  enableKubernetesAlpha: boolean({ forceNew: true, default: false }),
  masterAuth: object(
    {
      clientCertificateConfig: object(
        { issueClientCertificate: boolean({ required: true, forceNew: true }) },
        { forceNew: true },
      ),
    },
    { computed: true },
  ),
  loggingConfig: object(
    { enableComponents: strings({ rest: "componentConfig.enableComponents", unordered: true }) },
    { computed: true },
  ),
  monitoringConfig: object(
    {
      enableComponents: strings({ rest: "componentConfig.enableComponents", unordered: true, computed: true }),
      managedPrometheus: enabled({ rest: "managedPrometheusConfig", computed: true }),
    },
    { computed: true },
  ),
  securityPostureConfig: object({ mode: string(), vulnerabilityMode: string() }, { computed: true }),
  rbacBindingConfig: object(
    {
      enableInsecureBindingSystemUnauthenticated: boolean(),
      enableInsecureBindingSystemAuthenticated: boolean(),
    },
    { computed: true },
  ),
  addonsConfig: object(
    {
      httpLoadBalancing: disabled(),
      horizontalPodAutoscaling: disabled(),
      gcePersistentDiskCsiDriverConfig: enabled({ computed: true }),
      gcsFuseCsiDriverConfig: enabled({ computed: true }),
    },
    { computed: true },
  ),
  resourceLabels: map({ labels: true }),
  deletionProtection: boolean({ local: true, default: true }),
  removeDefaultNodePool: boolean({ local: true }),
  initialNodeCount: number({ forceNew: true }),
  nodeConfig: object(nodeConfigShape, { computed: true }),
};

function place(inputs: Props, context: Context): { parent: string; location: string } {
  const location = text(inputs.location) || context.place.zone || context.place.region || "";
  return { location, parent: `projects/${context.place.project}/locations/${location}` };
}

/** The control plane's ways in, which the provider puts together of two inputs. */
function endpoints(inputs: Props): Props {
  const wish = isObject(inputs.controlPlaneEndpointsConfig) ? inputs.controlPlaneEndpointsConfig : {};
  const dns = isObject(wish.dnsEndpointConfig) ? wish.dnsEndpointConfig : {};
  const { endpoint: _, ...dnsEndpointConfig } = { allowExternalTraffic: false, ...dns } as Props;
  const ip = isObject(wish.ipEndpointsConfig) ? wish.ipEndpointsConfig : {};
  if (ip.enabled === false) return { dnsEndpointConfig, ipEndpointsConfig: { enabled: false } };
  const closed = isObject(inputs.privateClusterConfig) && inputs.privateClusterConfig.enablePrivateEndpoint === true;
  return { dnsEndpointConfig, ipEndpointsConfig: { enabled: true, enablePublicEndpoint: !closed } };
}

function privateNodes(inputs: Props): boolean {
  return isObject(inputs.privateClusterConfig) && inputs.privateClusterConfig.enablePrivateNodes === true;
}

function bodyOf(inputs: Props, context: Context, location: string): Props {
  const region = /-[a-z]$/.test(location) ? location.slice(0, -2) : location;
  const body = toRest(shape, inputs, { ...context.place, region });
  const { labels } = context.place;
  body.resourceLabels = { ...labels, ...(isObject(inputs.resourceLabels) ? inputs.resourceLabels : {}) };
  body.controlPlaneEndpointsConfig = endpoints(inputs);
  setPath(body, "networkConfig.defaultEnablePrivateNodes", privateNodes(inputs));
  const more = Array.isArray(inputs.nodeLocations) ? inputs.nodeLocations : [];
  // A zonal cluster's own zone is among its locations, though the input must not name it.
  if (more.length > 0) body.locations = /-[a-z]$/.test(location) ? [...more, location] : more;
  body.autoscaling = { enableNodeAutoprovisioning: false };
  body.binaryAuthorization = { enabled: false };
  return body;
}

function found(id: string, body: Props): Found {
  const [, project, , location] = id.split("/") as [string, string, string, string];
  const network = body.networkConfig as Props;
  const planes = body.controlPlaneEndpointsConfig as { dnsEndpointConfig?: Props; ipEndpointsConfig: Props };
  const locations = (body.locations as string[] | undefined) ?? [];
  const outputs = {
    project,
    location,
    selfLink: body.selfLink,
    masterVersion: body.currentMasterVersion,
    nodeVersion: body.currentNodeVersion,
    labelFingerprint: body.labelFingerprint,
    endpoint: body.endpoint ?? "",
    masterAuth: {
      ...(fromRest(shape, { masterAuth: body.masterAuth }).masterAuth as Props),
      clusterCaCertificate: (body.masterAuth as Props).clusterCaCertificate,
    },
    controlPlaneEndpointsConfig: planes,
    privateClusterConfig: {
      enablePrivateNodes: network.defaultEnablePrivateNodes === true,
      enablePrivateEndpoint: planes.ipEndpointsConfig.enablePublicEndpoint !== true,
    },
  };
  const inputs = {
    ...fromRest(shape, { ...body, network: network.network, subnetwork: network.subnetwork }),
    project,
    location,
    networkingMode: "VPC_NATIVE",
    nodeLocations: locations.filter((zone) => zone !== location),
  };
  return { id, outputs, inputs };
}

/** What a change of an input asks of Google; one wish in one call, as the real provider does. */
const DESIRED: Readonly<Record<string, (body: Props) => Props>> = {
  addonsConfig: (body) => ({ desiredAddonsConfig: body.addonsConfig }),
  releaseChannel: (body) => ({ desiredReleaseChannel: body.releaseChannel }),
  enableShieldedNodes: (body) => ({ desiredShieldedNodes: body.shieldedNodes }),
  loggingConfig: (body) => ({ desiredLoggingConfig: body.loggingConfig }),
  monitoringConfig: (body) => ({ desiredMonitoringConfig: body.monitoringConfig }),
  securityPostureConfig: (body) => ({ desiredSecurityPostureConfig: body.securityPostureConfig }),
  rbacBindingConfig: (body) => ({ desiredRbacBindingConfig: body.rbacBindingConfig }),
  controlPlaneEndpointsConfig: (body) => ({ desiredControlPlaneEndpointsConfig: body.controlPlaneEndpointsConfig }),
  nodeLocations: (body) => ({ desiredLocations: body.locations }),
  enableIntranodeVisibility: (body) => ({
    desiredIntraNodeVisibilityConfig: { enabled: (body.networkConfig as Props).enableIntraNodeVisibility },
  }),
  privateClusterConfig: (body) => ({
    desiredDefaultEnablePrivateNodes: (body.networkConfig as Props).defaultEnablePrivateNodes,
  }),
};

async function resting(context: Context, id: string): Promise<Props> {
  const deadline = Date.now() + context.timeoutMs;
  for (;;) {
    const body = await context.client.get("container", id);
    if (["RUNNING", "DEGRADED", "ERROR"].includes(text(body.status))) return body;
    if (Date.now() > deadline) throw new Error(`Cluster "${id}" has state "${text(body.status)}"`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const cluster: ResourceType = {
  token: "gcp:container/cluster:Cluster",
  shape,
  autoName: { property: "name", maximum: 40 },
  computed: [
    "selfLink",
    "masterVersion",
    "nodeVersion",
    "labelFingerprint",
    "endpoint",
    "masterAuth",
    "controlPlaneEndpointsConfig",
  ],
  refuse: (inputs) =>
    inputs.initialNodeCount === undefined && inputs.removeDefaultNodePool === true
      ? [{ property: "initialNodeCount", reason: "must be at least 1 alongside removeDefaultNodePool" }]
      : [],

  async create(context, inputs) {
    const { parent, location } = place(inputs, context);
    const id = `${parent}/clusters/${text(inputs.name)}`;
    const body = { cluster: bodyOf(inputs, context, location) };
    const started = await context.client.post("container", `${parent}/clusters`, body);
    await containerOperation(context, parent, started, "creating GKE cluster");
    if (inputs.removeDefaultNodePool === true) {
      const removed = await context.client.delete("container", `${id}/nodePools/default-pool`);
      await containerOperation(context, parent, removed, "removing default node pool");
    }
    const made = await resting(context, id);
    if (made.status !== "RUNNING")
      throw new Error(`Cluster ${id} was created in the error state "${text(made.status)}"`);
    return found(id, made);
  },

  async read(context, id) {
    const body = await unlessGone(context.client.get("container", id));
    return body && found(id, body);
  },

  async update(context, id, _olds, news, changes) {
    const parent = id.slice(0, id.indexOf("/clusters/"));
    const body = bodyOf(news, context, parent.slice(parent.lastIndexOf("/") + 1));
    for (const name of changedInputs(changes)) {
      const wish = DESIRED[name]?.(body);
      if (!wish) continue;
      const started = await context.client.request("container", "PUT", id, { body: { update: wish } });
      await containerOperation(context, parent, started, `updating GKE ${name}`);
    }
    if (changedInputs(changes).has("resourceLabels")) {
      const { labelFingerprint } = await context.client.get("container", id);
      const labels = { resourceLabels: body.resourceLabels, labelFingerprint };
      const started = await context.client.post("container", `${id}:setResourceLabels`, labels);
      await containerOperation(context, parent, started, "updating GKE resource labels");
    }
    return found(id, await context.client.get("container", id));
  },

  async delete(context, id, state) {
    if (state.deletionProtection !== false) {
      throw new Error(
        "Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with cluster deletion.",
      );
    }
    const parent = id.slice(0, id.indexOf("/clusters/"));
    try {
      await resting(context, id);
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return;
      throw error;
    }
    await containerOperation(context, parent, await context.client.delete("container", id), "deleting GKE cluster");
  },
};

export const containerTypes: ResourceType[] = [cluster, nodePool];
