import { ApiError, unlessGone } from "../client.ts";
import { changedInputs } from "../diff.ts";
import type { Context, Found, ResourceType } from "../resource.ts";
import { boolean, fromRest, number, object, type Shape, string, strings, toRest } from "../schema.ts";
import { isObject, type Props, text } from "../values.ts";
import { containerOperation, nodeConfigShape } from "./container-common.ts";

const shape: Shape = {
  name: string({ forceNew: true, computed: true, pattern: /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/ }),
  cluster: string({ required: true, forceNew: true, local: true }),
  project: string({ forceNew: true, computed: true, local: true }),
  location: string({ forceNew: true, computed: true, local: true }),
  nodeLocations: strings({ rest: "locations", unordered: true, computed: true }),
  initialNodeCount: number({ forceNew: true, computed: true }),
  nodeCount: number({ local: true, computed: true }),
  autoscaling: object(
    {
      minNodeCount: number({ default: 0 }),
      maxNodeCount: number({ default: 0 }),
      totalMinNodeCount: number({ default: 0 }),
      totalMaxNodeCount: number({ default: 0 }),
      locationPolicy: string({ computed: true, oneOf: ["BALANCED", "ANY"] }),
    },
    { constant: { enabled: true } },
  ),
  management: object(
    { autoRepair: boolean({ default: true }), autoUpgrade: boolean({ default: true }) },
    { computed: true },
  ),
  upgradeSettings: object(
    {
      strategy: string({ default: "SURGE" }),
      maxSurge: number({ computed: true }),
      maxUnavailable: number({ computed: true }),
    },
    { computed: true },
  ),
  networkConfig: object({ enablePrivateNodes: boolean({ computed: true }) }, { computed: true }),
  nodeConfig: object(nodeConfigShape, { rest: "config", computed: true }),
  version: string({ computed: true }),
};

/** How often a call is made again that another operation on the cluster stands in the way of. */
const PATIENCE_MS = 200;

function parentOf(inputs: Props, context: Context): string {
  const cluster = text(inputs.cluster);
  const path = /(projects\/[^/]+\/locations\/[^/]+\/clusters\/[^/]+)$/.exec(cluster)?.[1];
  return path ?? `projects/${context.place.project}/locations/${text(inputs.location)}/clusters/${cluster}`;
}

function locationOf(id: string): string {
  return id.slice(0, id.indexOf("/clusters/"));
}

function found(id: string, body: Props): Found {
  const [, project, , location, , cluster] = id.split("/") as [string, string, string, string, string, string];
  const inputs = { ...fromRest(shape, body), project, location, cluster };
  if (isObject(body.autoscaling) && body.autoscaling.enabled !== true) Reflect.deleteProperty(inputs, "autoscaling");
  const outputs = { project, location, version: body.version, instanceGroupUrls: body.instanceGroupUrls ?? [] };
  return { id, outputs, inputs };
}

/** Makes a call as often as Google answers that the cluster is busy. */
async function patiently<T>(context: Context, call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + context.timeoutMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const busy = error instanceof ApiError && error.code === 400 && error.reason === "failedPrecondition";
      if (!busy || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    }
  }
}

export const nodePool: ResourceType = {
  token: "gcp:container/nodePool:NodePool",
  shape,
  autoName: { property: "name", maximum: 40 },
  computed: ["version", "instanceGroupUrls"],

  async create(context, inputs) {
    const parent = parentOf(inputs, context);
    const id = `${parent}/nodePools/${text(inputs.name)}`;
    if (await unlessGone(context.client.get("container", id))) throw new Error(`resource - ${id} - already exists`);
    const nodePool = toRest(shape, inputs, context.place);
    if (inputs.nodeCount !== undefined) nodePool.initialNodeCount = inputs.nodeCount;
    const started = await patiently(context, () =>
      context.client.post("container", `${parent}/nodePools`, { nodePool }),
    );
    await containerOperation(context, locationOf(id), started, "creating GKE NodePool");
    return (await readPool(context, id)) as Found;
  },

  async read(context, id) {
    return readPool(context, id);
  },

  async update(context, id, _olds, news, changes) {
    const changed = changedInputs(changes);
    const body = toRest(shape, news, context.place);
    const run = async (method: "PUT" | "POST", path: string, content: Props, doing: string) => {
      const started = await patiently(context, () =>
        context.client.request("container", method, path, { body: content }),
      );
      await containerOperation(context, locationOf(id), started, doing);
    };
    const pool = async (content: Props) => run("PUT", id, content, "updating GKE node pool");
    if (changed.has("autoscaling")) {
      const desiredNodePoolAutoscaling = body.autoscaling ?? { enabled: false };
      const update = { desiredNodePoolId: text(news.name), desiredNodePoolAutoscaling };
      await run("PUT", id.slice(0, id.indexOf("/nodePools/")), { update }, "updating GKE node pool");
    }
    if (changed.has("nodeConfig")) {
      const { machineType, diskType, diskSizeGb, taints, workloadMetadataConfig, imageType } = body.config as Props;
      const paths = changes.map(({ path }) => path);
      const touched = (name: string) =>
        paths.some((path) => path.startsWith(`nodeConfig.${name}`) || path === "nodeConfig");
      if (["machineType", "diskType", "diskSizeGb"].some(touched)) await pool({ machineType, diskType, diskSizeGb });
      if (touched("taints")) await pool({ taints: { taints: taints ?? [] } });
      if (touched("imageType")) await pool({ imageType });
      if (touched("workloadMetadataConfig")) await pool({ workloadMetadataConfig });
    }
    if (changed.has("nodeCount")) {
      await run("POST", `${id}:setSize`, { nodeCount: news.nodeCount }, "updating GKE node pool size");
    }
    if (changed.has("management")) {
      await run("POST", `${id}:setManagement`, { management: body.management }, "updating GKE node pool management");
    }
    if (changed.has("nodeLocations")) await pool({ locations: body.locations });
    if (changed.has("upgradeSettings")) await pool({ upgradeSettings: body.upgradeSettings });
    if (changed.has("networkConfig")) await pool({ nodeNetworkConfig: body.networkConfig });
    return (await readPool(context, id)) as Found;
  },

  async delete(context, id) {
    const started = await unlessGone(patiently(context, () => context.client.delete("container", id)));
    if (started) await containerOperation(context, locationOf(id), started, "deleting GKE NodePool");
  },
};

/** As the real provider, out of the cluster's list of pools. */
async function readPool(context: Context, id: string): Promise<Found | undefined> {
  const list = await unlessGone(context.client.get("container", id.slice(0, id.lastIndexOf("/"))));
  const name = id.slice(id.lastIndexOf("/") + 1);
  const body = ((list?.nodePools as Props[] | undefined) ?? []).find((each) => each.name === name);
  return body && found(id, body);
}
