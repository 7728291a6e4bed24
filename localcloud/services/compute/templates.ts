import { GoogleError } from "../../core/errors.ts";
import type { Call, Router } from "../../core/http.ts";
import { addCollection } from "./collection.ts";
import type { Compute, Thing, Where } from "./context.ts";
import { findImage, imageReference } from "./images.ts";
import { requireScopes, requireShared, stampMetadata, stampTags } from "./instanceBuild.ts";
import { invalid, link, referred } from "./links.ts";
import { readAccelerators, readScheduling, requireDiskFor, requireMachineType } from "./machineRules.ts";
import { DISK_TYPES } from "./places.ts";
import { type Json, mergePatch, readBody } from "./schema.ts";
import { INSTANCE, INSTANCE_TEMPLATE } from "./shapes/machine.ts";

const FIELD = "resource.properties";

export function addTemplates(router: Router, compute: Compute): void {
  for (const scope of ["global", "regions"] as const) {
    addCollection(router, compute, {
      plural: "instanceTemplates",
      singular: "instanceTemplate",
      scope,
      shape: INSTANCE_TEMPLATE,
      make: (body, at) => ({
        ...body,
        ...(scope === "regions" ? { region: link(`projects/${at.project}/${at.place}`) } : {}),
        properties: readProperties(compute, body.properties as Json | undefined, at),
      }),
    });
  }
}

function bareName(value: unknown, field: string): string {
  if (typeof value === "string" && /^[a-z0-9][a-z0-9-]*$/.test(value)) return value;
  throw invalid(field, value, "In an instance template this is a name, not a URL.");
}

function readProperties(compute: Compute, given: Json | undefined, at: Where & { call: Call }): Json {
  if (!given) throw new GoogleError(400, "required", `Required field '${FIELD}' not specified`);
  const machineType = bareName(given.machineType, `${FIELD}.machineType`);
  const shape = requireMachineType(machineType, undefined, `${FIELD}.machineType`, machineType);
  const accelerators = (given.guestAccelerators ?? []) as Json[];
  for (const [index, { acceleratorType }] of accelerators.entries()) {
    bareName(acceleratorType, `${FIELD}.guestAccelerators[${index}].acceleratorType`);
  }
  const gpus = readAccelerators(accelerators, shape, machineType, undefined, `${FIELD}.guestAccelerators`);
  requireShared(given, FIELD);
  const disks = ((given.disks ?? []) as Json[]).map((disk, index) => readDisk(compute, disk, index, at.project));
  if (disks.length === 0) throw invalid(`${FIELD}.disks`, "", "No disks are specified.");
  for (const [index, disk] of disks.entries()) {
    const type = (disk.initializeParams as Json | undefined)?.diskType;
    if (type) requireDiskFor(shape, machineType, String(type), `${FIELD}.disks[${index}].initializeParams.diskType`);
  }
  for (const { scopes = [] } of (given.serviceAccounts ?? []) as { scopes?: string[] }[]) {
    requireScopes(scopes, `${FIELD}.serviceAccounts[0].scopes`);
  }
  const scheduling = (given.scheduling ?? {}) as Json;
  return {
    ...given,
    disks,
    networkInterfaces: readInterfaces(compute, given, at.project),
    scheduling: readScheduling(scheduling, `${FIELD}.scheduling`, gpus.length > 0, compute.cloud.now()),
    ...(given.metadata ? { metadata: stampMetadata(given.metadata as Json) } : {}),
    ...(given.tags ? { tags: { items: stampTags(given.tags as Json).items } } : {}),
  };
}

function readDisk(compute: Compute, disk: Json, index: number, project: string): Json {
  const field = `${FIELD}.disks[${index}]`;
  const params = disk.initializeParams as Json | undefined;
  const type = params?.diskType;
  if (type !== undefined && !DISK_TYPES[bareName(type, `${field}.initializeParams.diskType`)]) {
    throw invalid(`${field}.initializeParams.diskType`, type, "The disk type does not exist.");
  }
  if (params?.sourceImage !== undefined) {
    const at = `${field}.initializeParams.sourceImage`;
    const path = imageReference(String(params.sourceImage), at, project);
    if (!findImage(compute, path))
      throw invalid(at, params.sourceImage, "The referenced image resource cannot be found.");
    // A full link is kept under Google's name, whichever host the client built it from.
    if (/^https?:/.test(String(params.sourceImage)))
      disk = { ...disk, initializeParams: { ...params, sourceImage: link(path) } };
  }
  return {
    kind: "compute#attachedDisk",
    type: "PERSISTENT",
    mode: "READ_WRITE",
    deviceName: `persistent-disk-${index}`,
    index,
    ...disk,
  };
}

function readInterfaces(compute: Compute, given: Json, project: string): Json[] {
  return ((given.networkInterfaces ?? []) as Json[]).map((one, index) => {
    const found: Json = {};
    for (const [name, plural] of [
      ["network", "networks"],
      ["subnetwork", "subnetworks"],
    ] as const) {
      if (one[name] === undefined) continue;
      const field = `${FIELD}.networkInterfaces[${index}].${name}`;
      const path = referred(String(one[name]), field, project, plural);
      found[name] = compute.referent(path, field, String(one[name]), name).selfLink;
    }
    return { kind: "compute#networkInterface", name: `nic${index}`, ...one, ...found };
  });
}

/**
 * The body of an insert over a template: a JSON merge patch, so that a list in the body replaces the template's whole.
 * From general knowledge: the reference of instances.insert names the parameter and its permission only.
 */
export function overTemplate(template: Thing, body: Json, at: Where): Json {
  const { metadata, tags, ...properties } = template.properties as Json & { metadata?: Json; tags?: Json };
  const place = (plural: string, name: unknown) => (name === undefined ? undefined : `${at.place}/${plural}/${name}`);
  const disks = ((properties.disks ?? []) as Json[]).map(({ initializeParams, ...disk }) => {
    if (!initializeParams) return disk;
    const params = initializeParams as Json;
    const diskType = params.diskType ? { diskType: place("diskTypes", params.diskType) } : {};
    return { ...disk, initializeParams: { ...params, ...diskType } };
  });
  const accelerators = (properties.guestAccelerators ?? []) as Json[];
  const whole = {
    ...properties,
    machineType: place("machineTypes", properties.machineType),
    disks,
    ...(metadata ? { metadata: { items: metadata.items } } : {}),
    ...(tags ? { tags: { items: tags.items ?? [] } } : {}),
    ...(accelerators.length > 0
      ? {
          guestAccelerators: accelerators.map((one) => ({
            ...one,
            acceleratorType: place("acceleratorTypes", one.acceleratorType),
          })),
        }
      : {}),
  };
  // Without what only Google sets (kinds, names of interfaces), and without members that are undefined.
  const base = readBody(INSTANCE, JSON.parse(JSON.stringify(whole)), `${FIELD}`);
  return mergePatch(base, body);
}
