import { GoogleError } from "../../core/errors.ts";
import type { Call } from "../../core/http.ts";
import { makeAccessConfig } from "./accessConfigs.ts";
import { internalAddress } from "./addresses.ts";
import { type Compute, fingerprint, type Where } from "./context.ts";
import { diskMembers } from "./disks.ts";
import { requireBlank, requireDeviceName, requireUsable } from "./instanceDiskRules.ts";
import { invalid, lastPart, link, pathOf, referred, regionOf, split } from "./links.ts";
import { readAccelerators, readScheduling, requireDiskFor, requireMachineType } from "./machineRules.ts";
import { requireLabels, requireMetadata, requireName, requireTags } from "./rules.ts";
import { requireScheduler } from "./schedules.ts";
import type { Json } from "./schema.ts";
import type { AttachedDisk, Disk, Instance, NetworkInterface } from "./types.ts";

export interface Built {
  instance: Instance;
  /** Disks that are made with the machine, by path. */
  disks: [string, Disk][];
}

type At = Where & { path: string; call: Call };

/** The instance and the disks that an insert makes of a body that fits the schema; refuses what Google refuses. */
export function buildInstance(compute: Compute, body: Json, at: At): Built {
  const zone = lastPart(at.place);
  const shown = String(body.machineType ?? "");
  if (shown === "") throw new GoogleError(400, "required", "Required field 'resource.machineType' not specified");
  const typePath = referred(shown, "resource.machineType", at.project, "machineTypes");
  const machineType = lastPart(typePath);
  if (!typePath.includes(`/${at.place}/`)) {
    throw invalid("resource.machineType", shown, `The machine type is not in the machine's zone, ${zone}.`);
  }
  const shape = requireMachineType(machineType, zone, "resource.machineType", shown);
  const given = (body.guestAccelerators ?? []) as Json[];
  const gpus = readAccelerators(given, shape, machineType, zone, "resource.guestAccelerators");
  requireShared(body, "resource");
  const scheduling = readScheduling(
    (body.scheduling ?? {}) as Json,
    "resource.scheduling",
    gpus.length > 0,
    compute.cloud.now(),
  );
  const networkInterfaces = readInterfaces(compute, at, body.networkInterfaces);
  const { attached, made } = readDisks(compute, at, body);
  for (const [index, disk] of attached.entries()) {
    const record = made.find(([path]) => link(path) === disk.source)?.[1] ?? (compute.get(pathOf(disk.source)) as Disk);
    requireDiskFor(shape, machineType, lastPart(record.type), `resource.disks[${index}].initializeParams.diskType`);
    if (disk.boot && record.architecture && (record.architecture === "ARM64") !== (shape.architecture === "arm64")) {
      const sentence = `The image's architecture ${record.architecture} does not fit the machine type ${machineType}.`;
      throw invalid(`resource.disks[${index}]`, record.sourceImage, sentence);
    }
  }
  const serviceAccounts = readServiceAccounts(compute, at.call, body.serviceAccounts, at.project, "resource");
  const { disks: _disks, serviceAccounts: _accounts, ...rest } = body;
  const instance = {
    ...compute.stamp(at.path, "instance"),
    ...rest,
    status: "PROVISIONING",
    zone: link(`projects/${at.project}/${at.place}`),
    machineType: link(typePath),
    cpuPlatform: cpuPlatform(shape.family, shape.architecture),
    canIpForward: body.canIpForward ?? false,
    tags: stampTags(body.tags as Json | undefined),
    labelFingerprint: fingerprint(body.labels ?? {}),
    metadata: stampMetadata(body.metadata as Json | undefined),
    networkInterfaces,
    disks: attached,
    scheduling,
    ...(serviceAccounts.length > 0 ? { serviceAccounts } : {}),
    ...(gpus.length > 0 ? { guestAccelerators: gpus.map((gpu) => accelerator(gpu, at)) } : {}),
    ...(body.resourcePolicies
      ? { resourcePolicies: readPolicies(compute, at, body.resourcePolicies as string[], zone) }
      : {}),
    shieldedInstanceConfig: {
      enableSecureBoot: false,
      enableVtpm: true,
      enableIntegrityMonitoring: true,
      ...(body.shieldedInstanceConfig as object),
    },
    shieldedInstanceIntegrityPolicy: { updateAutoLearnPolicy: true },
    deletionProtection: body.deletionProtection ?? false,
    startRestricted: false,
    resourceStatus: { scheduling: {} },
  } as Omit<Instance, "fingerprint">;
  requireHostname(body.hostname);
  return { instance: { ...instance, fingerprint: fingerprint(instance) } as Instance, disks: made };
}

/** What holds for instances and templates alike. */
export function requireShared(body: Json, field: string): void {
  requireLabels(body.labels, `${field}.labels`);
  requireMetadata((body.metadata as Json | undefined)?.items, `${field}.metadata`);
  requireTags((body.tags as Json | undefined)?.items, `${field}.tags.items`);
}

export function stampMetadata(metadata: Json | undefined): Instance["metadata"] {
  const items = (metadata?.items ?? []) as { key: string; value: string }[];
  const filled = items.map(({ key, value = "" }) => ({ key, value }));
  return {
    kind: "compute#metadata",
    fingerprint: fingerprint(filled),
    ...(filled.length > 0 ? { items: filled } : {}),
  };
}

export function stampTags(tags: Json | undefined): Instance["tags"] {
  const items = (tags?.items ?? []) as string[];
  return { ...(items.length > 0 ? { items } : {}), fingerprint: fingerprint(items) };
}

function accelerator({ type, count }: { type: string; count: number }, at: At): Json {
  return {
    acceleratorType: link(`projects/${at.project}/${at.place}/acceleratorTypes/${type}`),
    acceleratorCount: count,
  };
}

function cpuPlatform(family: string, architecture: string): string {
  if (architecture === "arm64") return "Ampere Altra";
  if (/d$/.test(family)) return "AMD Milan";
  return family === "e2" || family === "n1" ? "Intel Broadwell" : "Intel Sapphire Rapids";
}

function requireHostname(hostname: unknown): void {
  if (hostname === undefined) return;
  const labels = String(hostname).split(".");
  const legal = labels.length > 1 && labels.every((label) => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/i.test(label));
  if (!legal) throw invalid("resource.hostname", hostname, "The hostname must be a fully qualified domain name.");
}

export function defaultServiceAccount(compute: Compute, project: string): string {
  return `${compute.number(project)}-compute@developer.gserviceaccount.com`;
}

/** At most one service account, which the caller may act as, with scopes in full. */
export function readServiceAccounts(
  compute: Compute,
  call: Call,
  given: unknown,
  project: string,
  field: string,
): { email: string; scopes: string[] }[] {
  const accounts = (given ?? []) as { email?: string; scopes?: string[] }[];
  if (accounts.length > 1) {
    throw invalid(`${field}.serviceAccounts`, "", "At most one service account can be specified for an instance.");
  }
  return accounts.map(({ email = "default", scopes = [] }) => {
    const full = email === "default" ? defaultServiceAccount(compute, project) : email;
    requireScopes(scopes, `${field}.serviceAccounts[0].scopes`);
    compute.requireActAs(call, full, project);
    return { email: full, scopes };
  });
}

export function requireScopes(scopes: string[], field: string): void {
  for (const [index, scope] of scopes.entries()) {
    if (/^https:\/\/(www\.googleapis\.com\/auth\/[\w.-]+|mail\.google\.com\/)$/.test(scope)) continue;
    throw invalid(`${field}[${index}]`, scope, "The service account scope is not a valid OAuth scope URL.");
  }
}

function readInterfaces(compute: Compute, at: At, given: unknown): NetworkInterface[] {
  const list = (given ?? []) as Json[];
  if (list.length === 0) throw invalid("resource.networkInterfaces", "", "At least one network interface is required.");
  const region = regionOf(lastPart(at.place));
  return list.map((one, index): NetworkInterface => {
    const field = `resource.networkInterfaces[${index}]`;
    const networkText = String(one.network ?? "global/networks/default");
    if (one.subnetwork === undefined) {
      const path = referred(networkText, `${field}.network`, at.project, "networks");
      compute.referent(path, `${field}.network`, networkText, "network");
      const sentence = "Network interface must specify a subnet if the network resource is in custom subnet mode.";
      throw invalid(field, "", sentence);
    }
    const text = String(one.subnetwork);
    const path = referred(text, `${field}.subnetwork`, at.project, "subnetworks");
    if (!path.includes(`/regions/${region}/`)) {
      throw invalid(
        `${field}.subnetwork`,
        text,
        `The referenced subnetwork is not in the machine's region, ${region}.`,
      );
    }
    const subnet = compute.referent(path, `${field}.subnetwork`, text, "subnetwork");
    if (one.network !== undefined) {
      const network = link(referred(networkText, `${field}.network`, at.project, "networks"));
      if (network !== subnet.network)
        throw invalid(`${field}.subnetwork`, text, "The subnetwork is not in the network given.");
    }
    compute.requireOn(at.call, "compute.subnetworks.use", path);
    const outside = (one.accessConfigs ?? []) as Json[];
    if (outside.length > 1) throw invalid(`${field}.accessConfigs`, "", "At most one access config is supported.");
    if (outside.length > 0) compute.requireOn(at.call, "compute.subnetworks.useExternalIp", path);
    const networkIP = ownAddress(compute, subnet.selfLink, one.networkIP as string | undefined, `${field}.networkIP`);
    const filled = {
      ...one,
      kind: "compute#networkInterface" as const,
      name: `nic${index}`,
      network: String(subnet.network),
      subnetwork: subnet.selfLink,
      networkIP,
      stackType: "IPV4_ONLY",
      ...(outside.length > 0
        ? {
            accessConfigs: outside.map((config) =>
              makeAccessConfig(compute, config, at, `${field}.accessConfigs[0].natIP`),
            ),
          }
        : {}),
    };
    return { ...filled, fingerprint: fingerprint(filled) };
  });
}

function ownAddress(compute: Compute, subnetLink: string, given: string | undefined, field: string): string {
  const subnet = compute.get(pathOf(subnetLink));
  // A reserved address is given by its number, as the provider and gcloud do; it is then its own machine's.
  const reserved = compute.list("addresses", "projects/").find(([, thing]) => {
    return (
      thing.subnetwork === subnetLink && given !== undefined && (thing.address === given || thing.selfLink === given)
    );
  });
  const own = reserved?.[1].address as string | undefined;
  return internalAddress(compute, subnet, own ?? given, field, own);
}

export function readPolicies(
  compute: Compute,
  at: At,
  given: string[],
  zone: string,
  name = "resource.resourcePolicies",
): string[] {
  return given.map((text, index) => {
    const field = `${name}[${index}]`;
    const path = referred(text, field, at.project, "resourcePolicies");
    const policy = compute.referent(path, field, text, "resource policy");
    if (split(path).place !== `regions/${regionOf(zone)}`)
      throw invalid(field, text, "The policy is in another region.");
    compute.requireOn(at.call, "compute.resourcePolicies.use", path);
    requireScheduler(compute, at.path);
    return policy.selfLink;
  });
}

function readDisks(compute: Compute, at: At, body: Json): { attached: AttachedDisk[]; made: [string, Disk][] } {
  const list = (body.disks ?? []) as Json[];
  if (list.length === 0) throw invalid("resource.disks", "", "No disks are specified.");
  if (list[0]?.boot !== true || list.filter(({ boot }) => boot === true).length > 1) {
    throw invalid(
      "resource.disks[0].boot",
      list[0]?.boot ?? "",
      "Boot disk must be the first disk attached to the instance.",
    );
  }
  const made: [string, Disk][] = [];
  const machine = split(at.path).name;
  const attached: AttachedDisk[] = [];
  for (const [index, one] of list.entries()) {
    const field = `resource.disks[${index}]`;
    const boot = one.boot === true;
    const disk =
      one.source === undefined
        ? newDisk(compute, at, one, index, machine)
        : requireUsable(compute, at, one, field, boot);
    if (one.source === undefined) made.push([pathOf(disk.selfLink), disk]);
    if (!boot) requireBlank(disk);
    const { initializeParams: _params, ...rest } = one;
    const deviceName = one.deviceName ?? `persistent-disk-${index}`;
    attached.push({
      ...rest,
      kind: "compute#attachedDisk",
      type: "PERSISTENT",
      mode: one.mode === "READ_ONLY" ? "READ_ONLY" : "READ_WRITE",
      source: disk.selfLink,
      deviceName: requireDeviceName(deviceName, attached, `${field}.deviceName`),
      index,
      boot,
      autoDelete: one.autoDelete === true,
      interface: String(one.interface ?? "SCSI"),
      diskSizeGb: disk.sizeGb,
      architecture: disk.architecture,
      guestOsFeatures: disk.guestOsFeatures,
    });
  }
  return { attached, made };
}

function newDisk(compute: Compute, at: At, one: Json, index: number, machine: string): Disk {
  const params = (one.initializeParams ?? {}) as Json;
  const field = `resource.disks[${index}].initializeParams`;
  if (index === 0 && params.sourceImage === undefined) {
    throw invalid(`resource.disks[${index}]`, "", "A boot disk needs a source image or a source disk.");
  }
  const name = requireName(params.diskName ?? (index === 0 ? machine : `${machine}-${index}`), `${field}.diskName`);
  const path = `projects/${at.project}/${at.place}/disks/${name}`;
  compute.requireOn(at.call, "compute.disks.create", path);
  if (params.labels) compute.requireOn(at.call, "compute.disks.setLabels", path);
  compute.absent(path);
  const { diskName: _name, diskSizeGb, diskType, ...rest } = params;
  const sizeGb = diskSizeGb ?? one.diskSizeGb;
  const wish = { ...rest, sizeGb, type: diskType };
  const members = diskMembers(compute, at.call, wish, at, field);
  return {
    ...compute.stamp(path, "disk"),
    ...members,
    users: [link(at.path)],
    lastAttachTimestamp: compute.time(),
  } as unknown as Disk;
}
