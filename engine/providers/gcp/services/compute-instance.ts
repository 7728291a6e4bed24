import { change } from "../operations.ts";
import type { Context, ResourceType } from "../resource.ts";
import { boolean, lastSegment, link, list, map, number, object, string, strings, zonal } from "../schema.ts";
import { isObject, type Props, text } from "../values.ts";
import { computeResource } from "./compute-collection.ts";
import { addStartupScript, machineShape, resolveImage, splitStartupScript } from "./compute-machine.ts";

const bootDisk = object(
  {
    autoDelete: boolean({ default: true }),
    deviceName: string({ computed: true }),
    mode: string({ default: "READ_WRITE", oneOf: ["READ_WRITE", "READ_ONLY"] }),
    source: link("zones/{zone}/disks", { computed: true }),
    initializeParams: object(
      {
        image: string({ rest: "sourceImage", computed: true }),
        size: number({ rest: "diskSizeGb", int64: true, computed: true }),
        type: zonal("diskTypes", { rest: "diskType", computed: true }),
        labels: map(),
        provisionedIops: number({ int64: true, computed: true }),
        provisionedThroughput: number({ int64: true, computed: true }),
      },
      { computed: true },
    ),
  },
  { required: true, forceNew: true, rest: "disks", local: true },
);

const DOING = "Instance to be updated";

/** Inputs that a machine takes only when it is stopped. */
const STOPPED = [
  "machineType",
  "minCpuPlatform",
  "serviceAccount",
  "shieldedInstanceConfig",
  "enableDisplay",
  "scheduling",
];

const base = computeResource({
  token: "gcp:compute/instance:Instance",
  collection: "instances",
  scope: "zone",
  query: "?view=FULL",
  strictDelete: true,
  shape: {
    ...machineShape("", true),
    description: string({ forceNew: true }),
    hostname: string({ forceNew: true }),
    bootDisk,
    attachedDisks: list(
      {
        source: link("zones/{zone}/disks", { required: true }),
        deviceName: string({ computed: true }),
        mode: string({ default: "READ_WRITE" }),
      },
      { local: true, forceNew: true },
    ),
    scratchDisks: list({ interface: string({ required: true }) }, { local: true, forceNew: true }),
    metadataStartupScript: string({ local: true, forceNew: true }),
    resourcePolicies: string({ forceNew: true, encode: (value) => [value], decode: (value) => (value as string[])[0] }),
    deletionProtection: boolean(),
    allowStoppingForUpdate: boolean({ local: true }),
    desiredStatus: string({ local: true, oneOf: ["RUNNING", "TERMINATED", "SUSPENDED"] }),
    scopes: strings({ local: true }),
  },
  computed: [
    "instanceId",
    "cpuPlatform",
    "currentStatus",
    "creationTimestamp",
    "labelFingerprint",
    "metadataFingerprint",
    "tagsFingerprint",
  ],
  outputs: (body) => ({
    instanceId: body.id,
    cpuPlatform: body.cpuPlatform,
    currentStatus: body.status,
    creationTimestamp: body.creationTimestamp,
    labelFingerprint: body.labelFingerprint,
    metadataFingerprint: isObject(body.metadata) ? body.metadata.fingerprint : undefined,
    tagsFingerprint: isObject(body.tags) ? body.tags.fingerprint : undefined,
  }),
  async prepare(context, body, inputs) {
    body.disks = await disksOf(context, inputs);
    addStartupScript(body, inputs.metadataStartupScript, "metadata");
    return body;
  },
  update: updateInstance,
});

async function disksOf(context: Context, inputs: Props): Promise<Props[]> {
  const boot = inputs.bootDisk as Props;
  const parameters = isObject(boot.initializeParams) ? boot.initializeParams : {};
  const first: Props = {
    boot: true,
    autoDelete: boot.autoDelete ?? true,
    mode: boot.mode ?? "READ_WRITE",
    deviceName: boot.deviceName,
  };
  if (boot.source !== undefined) first.source = boot.source;
  else {
    first.initializeParams = {
      sourceImage: parameters.image === undefined ? undefined : await resolveImage(context, text(parameters.image)),
      diskSizeGb: parameters.size === undefined ? undefined : String(parameters.size),
      diskType: parameters.type === undefined ? undefined : zonePath(context, "diskTypes", parameters.type),
      labels: parameters.labels,
    };
  }
  const attached = ((inputs.attachedDisks as Props[] | undefined) ?? []).map((disk) => ({
    autoDelete: false,
    ...disk,
  }));
  const scratch = ((inputs.scratchDisks as Props[] | undefined) ?? []).map((disk) => ({
    type: "SCRATCH",
    autoDelete: true,
    interface: disk.interface,
    initializeParams: { diskType: zonePath(context, "diskTypes", "local-ssd") },
  }));
  return [first, ...attached, ...scratch];
}

function zonePath(context: Context, collection: string, name: unknown): string {
  return `projects/${context.place.project}/zones/${context.place.zone}/${collection}/${lastSegment(name)}`;
}

async function updateInstance(
  context: Context,
  id: string,
  news: Props,
  changed: Set<string>,
  body: Props,
): Promise<void> {
  const now = await context.client.get("compute", `${id}?view=FULL`);
  const post = (verb: string, sent: Props) => change(context, "POST", `${id}/${verb}`, sent, DOING);
  if (changed.has("metadata")) {
    addStartupScript(body, news.metadataStartupScript, "metadata");
    const fingerprint = isObject(now.metadata) ? now.metadata.fingerprint : undefined;
    await post("setMetadata", { fingerprint, items: [], ...(body.metadata as Props | undefined) });
  }
  if (changed.has("labels"))
    await post("setLabels", { labels: body.labels ?? {}, labelFingerprint: now.labelFingerprint });
  if (changed.has("tags")) {
    const fingerprint = isObject(now.tags) ? now.tags.fingerprint : undefined;
    await post("setTags", { items: [], ...(body.tags as Props | undefined), fingerprint });
  }
  if (changed.has("deletionProtection")) {
    await post(`setDeletionProtection?deletionProtection=${news.deletionProtection === true}`, {});
  }
  await updateStopped(context, id, news, changed, body, text(now.status));
}

async function updateStopped(
  context: Context,
  id: string,
  news: Props,
  changed: Set<string>,
  body: Props,
  status: string,
): Promise<void> {
  const post = (verb: string, sent: Props) => change(context, "POST", `${id}/${verb}`, sent, DOING);
  const needed = STOPPED.filter((name) => changed.has(name));
  const running = status !== "TERMINATED";
  if (needed.length > 0 && running) {
    if (news.allowStoppingForUpdate !== true && news.desiredStatus !== "TERMINATED") {
      throw new Error(
        "Changing the machine_type, min_cpu_platform, service_account, enable_display, shielded_instance_config, " +
          "scheduling.node_affinities or network_interface.[#d].(network/subnetwork/subnetwork_project) on a started " +
          "instance requires stopping it. To acknowledge this, please set allow_stopping_for_update = true in your " +
          `config. You can also stop it by setting desired_status = "TERMINATED" (changed here: ${needed.join(", ")})`,
      );
    }
    await post("stop", {});
  }
  if (changed.has("machineType")) await post("setMachineType", { machineType: body.machineType });
  if (changed.has("minCpuPlatform")) await post("setMinCpuPlatform", { minCpuPlatform: body.minCpuPlatform ?? "" });
  if (changed.has("serviceAccount")) {
    const [account] = (body.serviceAccounts as Props[] | undefined) ?? [{}];
    await post("setServiceAccount", { email: account?.email, scopes: account?.scopes ?? [] });
  }
  if (changed.has("scheduling")) await post("setScheduling", body.scheduling as Props);
  if (changed.has("shieldedInstanceConfig")) {
    const config = body.shieldedInstanceConfig as Props;
    await change(context, "PATCH", `${id}/updateShieldedInstanceConfig`, config, DOING);
  }
  const wanted = news.desiredStatus ?? (running ? "RUNNING" : status);
  const is = needed.length > 0 || !running ? "TERMINATED" : "RUNNING";
  if (wanted === "RUNNING" && is === "TERMINATED") await post("start", {});
  if (wanted === "TERMINATED" && is === "RUNNING") await post("stop", {});
}

const instance: ResourceType = {
  ...base,
  async read(context, id, state) {
    const found = await base.read(context, id, state);
    return found && { ...found, inputs: splitStartupScript(found.inputs, state) };
  },
};

export const instanceTypes: ResourceType[] = [instance];
