import { change } from "../operations.ts";
import type { Context, ResourceType } from "../resource.ts";
import {
  boolean,
  lastSegment,
  link,
  list,
  map,
  number,
  object,
  relativeLink,
  string,
  strings,
  zonal,
} from "../schema.ts";
import { isObject, type Props, sameValue, text } from "../values.ts";
import { computeResource } from "./compute-collection.ts";
import { addStartupScript, machineShape, resolveImage, splitStartupScript } from "./compute-machine.ts";

const bootDisk = object(
  {
    autoDelete: boolean({ default: true }),
    deviceName: string({ computed: true, forceNew: true }),
    mode: string({ default: "READ_WRITE", oneOf: ["READ_WRITE", "READ_ONLY"], forceNew: true }),
    source: link("zones/{zone}/disks", { computed: true, forceNew: true }),
    initializeParams: object(
      {
        image: string({ rest: "sourceImage", computed: true, forceNew: true }),
        size: number({ rest: "diskSizeGb", int64: true, computed: true }),
        type: zonal("diskTypes", { rest: "diskType", computed: true, forceNew: true }),
        labels: map(),
        provisionedIops: number({ int64: true, computed: true, forceNew: true }),
        provisionedThroughput: number({ int64: true, computed: true, forceNew: true }),
      },
      { computed: true },
    ),
  },
  { required: true, rest: "disks", local: true },
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
      { local: true },
    ),
    scratchDisks: list({ interface: string({ required: true }) }, { local: true, forceNew: true }),
    metadataStartupScript: string({ local: true, forceNew: true }),
    resourcePolicies: string({ encode: (value) => [value], decode: (value) => (value as string[])[0] }),
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
  const scratch = ((inputs.scratchDisks as Props[] | undefined) ?? []).map((disk) => ({
    type: "SCRATCH",
    autoDelete: true,
    interface: disk.interface,
    initializeParams: { diskType: zonePath(context, "diskTypes", "local-ssd") },
  }));
  return [first, ...attachedBodies(context, inputs), ...scratch];
}

function attachedBodies(context: Context, inputs: Props): Props[] {
  return ((inputs.attachedDisks as Props[] | undefined) ?? []).map((disk) => ({
    autoDelete: false,
    ...disk,
    source: relativeLink(text(disk.source), "zones/{zone}/disks", context.place),
  }));
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
  if (changed.has("resourcePolicies")) {
    const before = (now.resourcePolicies as string[] | undefined) ?? [];
    if (before.length > 0) await post("removeResourcePolicies", { resourcePolicies: before });
    if (body.resourcePolicies) await post("addResourcePolicies", { resourcePolicies: body.resourcePolicies });
  }
  if (changed.has("networkInterfaces")) await updateAddresses(context, id, now, body);
  if (changed.has("bootDisk")) await updateBootDisk(context, id, now, news);
  if (changed.has("attachedDisks")) await updateAttachedDisks(context, id, now, news);
  if (changed.has("deletionProtection")) {
    await post(`setDeletionProtection?deletionProtection=${news.deletionProtection === true}`, {});
  }
  await updateStopped(context, id, news, changed, body, text(now.status));
}

/** Public addresses come and go in place: the old ones are deleted, the new ones added. */
async function updateAddresses(context: Context, id: string, now: Props, body: Props): Promise<void> {
  const nics = (now.networkInterfaces as Props[] | undefined) ?? [];
  const wanted = (body.networkInterfaces as Props[] | undefined) ?? [];
  for (const [index, nic] of nics.entries()) {
    const [before, after] = [nic.accessConfigs, wanted[index]?.accessConfigs].map((list) => (list as Props[]) ?? []);
    const networkInterface = encodeURIComponent(text(nic.name));
    for (const { name } of before ?? []) {
      const query = `networkInterface=${networkInterface}&accessConfig=${encodeURIComponent(text(name))}`;
      await change(context, "POST", `${id}/deleteAccessConfig?${query}`, undefined, "old access_config to delete");
    }
    for (const config of after ?? []) {
      const added = { type: "ONE_TO_ONE_NAT", name: "External NAT", ...config };
      const path = `${id}/addAccessConfig?networkInterface=${networkInterface}`;
      await change(context, "POST", path, added, "new access_config to add");
    }
  }
}

async function updateBootDisk(context: Context, id: string, now: Props, news: Props): Promise<void> {
  const autoDelete = (news.bootDisk as Props | undefined)?.autoDelete !== false;
  const boot = ((now.disks as Props[] | undefined) ?? []).find((each) => each.boot === true);
  const path = /(projects\/.+)$/.exec(text(boot?.source))?.[1];
  const parameters = ((news.bootDisk as Props | undefined)?.initializeParams as Props | undefined) ?? {};
  if (!path) return;
  if (boot?.autoDelete !== autoDelete) {
    const query = `autoDelete=${autoDelete}&deviceName=${encodeURIComponent(text(boot?.deviceName))}`;
    await change(context, "POST", `${id}/setDiskAutoDelete?${query}`, undefined, "changing auto_delete");
  }
  const disk = await context.client.get("compute", path);
  if (parameters.size !== undefined && text(parameters.size) !== text(disk.sizeGb)) {
    await change(context, "POST", `${path}/resize`, { sizeGb: text(parameters.size) }, "Disk to be updated");
  }
  if (!sameValue(disk.labels ?? {}, parameters.labels ?? {})) {
    const { labelFingerprint } = disk;
    await change(context, "POST", `${path}/setLabels`, { labels: parameters.labels ?? {}, labelFingerprint }, DOING);
  }
}

/** What differs is detached and attached again, by its device's name, as the real provider does. */
async function updateAttachedDisks(context: Context, id: string, now: Props, news: Props): Promise<void> {
  const there = ((now.disks as Props[] | undefined) ?? []).filter((each) => !each.boot && each.type !== "SCRATCH");
  const wanted = attachedBodies(context, news);
  const same = (left: Props, right: Props) =>
    tail(left.source) === tail(right.source) &&
    (left.mode ?? "READ_WRITE") === (right.mode ?? "READ_WRITE") &&
    (right.deviceName === undefined || left.deviceName === right.deviceName);
  for (const disk of there) {
    if (wanted.some((each) => same(disk, each))) continue;
    const path = `${id}/detachDisk?deviceName=${encodeURIComponent(text(disk.deviceName))}`;
    await change(context, "POST", path, undefined, "detaching disk");
  }
  for (const disk of wanted) {
    if (there.some((each) => same(each, disk))) continue;
    await change(context, "POST", `${id}/attachDisk`, disk, "attaching disk");
  }
}

function tail(link: unknown): string | undefined {
  return /(projects\/.+)$/.exec(text(link))?.[1];
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
