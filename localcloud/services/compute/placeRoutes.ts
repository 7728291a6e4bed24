import { createHash } from "node:crypto";
import { GPUS } from "../../../catalog/gpus.ts";
import { findMachineType, predefinedTypes } from "../../../catalog/machineTypes.ts";
import type { Call, Router } from "../../core/http.ts";
import { allowQuery, base } from "./collection.ts";
import { type Compute, where } from "./context.ts";
import { link, notFound, regionOf } from "./links.ts";
import { aggregated, page } from "./lists.ts";
import { customProblem } from "./machineRules.ts";
import { acceleratorTypes, allRegions, allZones, DISK_TYPES, zonesOf } from "./places.ts";
import { quotasOf } from "./quotas.ts";
import type { Json } from "./schema.ts";

const PROJECT = "/compute/{version}/projects/{project}";
const SINCE = "1969-12-31T16:00:00.000-08:00";

/** What Google offers, which nobody creates: zones, regions, machine types, disk types, GPUs. */
export function addPlaces(router: Router, compute: Compute): void {
  addOffers(router, compute, "zones", "zone", PROJECT, (project) => allZones().map((name) => zone(project, name)));
  addOffers(router, compute, "regions", "region", PROJECT, (project) =>
    allRegions().map((name) => region(compute, project, name)),
  );
  const zonal = base("zones");
  addZonal(router, compute, "machineTypes", "machineType", machineTypes, machineType);
  addZonal(router, compute, "diskTypes", "diskType", diskTypes);
  addZonal(router, compute, "acceleratorTypes", "acceleratorType", accelerators);

  function addZonal(
    to: Router,
    on: Compute,
    plural: string,
    singular: string,
    all: (project: string, zone: string) => Json[],
    one?: (project: string, zone: string, name: string) => Json | undefined,
  ): void {
    addOffers(to, on, plural, singular, zonal, (project, name = "") => all(project, name), one);
    to.on("GET", `${PROJECT}/aggregated/${plural}`, (call) => {
      const { project } = where(call);
      on.requireOnProject(call, `compute.${plural}.list`, project);
      const items = allZones().flatMap((name) =>
        all(project, name).map((thing): [string, Json] => [
          `projects/${project}/zones/${name}/${plural}/${thing.name}`,
          thing,
        ]),
      );
      return { json: aggregated(call, { plural, singular, scopes: ["zones"] }, project, items) };
    });
  }
}

function addOffers(
  router: Router,
  compute: Compute,
  plural: string,
  singular: string,
  root: string,
  all: (project: string, zone?: string) => Json[],
  one?: (project: string, zone: string, name: string) => Json | undefined,
): void {
  const type = `${singular[0]?.toUpperCase()}${singular.slice(1)}`;
  const zoneOf = (call: Call) => (root === PROJECT ? undefined : call.params.zone);
  const prefix = (call: Call) => `projects/${call.params.project}${zoneOf(call) ? `/zones/${zoneOf(call)}` : ""}`;
  router.on("GET", `${root}/${plural}`, (call) => {
    const { project } = where(call);
    compute.requireOnType(call, `compute.${plural}.list`, type, project);
    return { json: page(call, `compute#${singular}List`, `${prefix(call)}/${plural}`, all(project, zoneOf(call))) };
  });
  router.on("GET", `${root}/${plural}/{offer}`, (call) => {
    allowQuery(call);
    const { project } = where(call);
    compute.requireOnType(call, `compute.${plural}.get`, type, project);
    const { offer = "" } = call.params;
    const found =
      all(project, zoneOf(call)).find((thing) => thing.name === offer || thing.id === offer) ??
      one?.(project, zoneOf(call) ?? "", offer);
    if (!found) throw notFound(`${prefix(call)}/${plural}/${offer}`);
    return { json: found };
  });
}

function offer(singular: string, path: string, members: Json): Json {
  const id = String((createHash("sha256").update(path).digest().readBigUInt64BE() >> 2n) + 1000n);
  const name = path.slice(path.lastIndexOf("/") + 1);
  return {
    kind: `compute#${singular}`,
    id,
    creationTimestamp: SINCE,
    name,
    description: name,
    ...members,
    selfLink: link(path),
  };
}

function zone(project: string, name: string): Json {
  return offer("zone", `projects/${project}/zones/${name}`, {
    status: "UP",
    region: link(`projects/${project}/regions/${regionOf(name)}`),
    availableCpuPlatforms: ["Intel Broadwell", "Intel Sapphire Rapids", "AMD Milan"],
  });
}

function region({ cloud }: Compute, project: string, name: string): Json {
  return offer("region", `projects/${project}/regions/${name}`, {
    status: "UP",
    zones: zonesOf(name).map((zoneName) => link(`projects/${project}/zones/${zoneName}`)),
    quotas: quotasOf(cloud.state, project, name),
  });
}

function machineTypes(project: string, zoneName: string): Json[] {
  return predefinedTypes()
    .map((name) => machineType(project, zoneName, name))
    .filter((thing) => thing !== undefined);
}

function machineType(project: string, zoneName: string, name: string): Json | undefined {
  const shape = findMachineType(name);
  if (!shape || customProblem(name)) return undefined;
  if (shape.gpu && !GPUS[shape.gpu.type]?.zones.includes(zoneName)) return undefined;
  const memoryMb = Math.round(shape.memory * 1024);
  const gpus = shape.gpu && [
    { guestAcceleratorType: shape.gpu.type, guestAcceleratorCount: Math.max(1, shape.gpu.count) },
  ];
  return offer("machineType", `projects/${project}/zones/${zoneName}/machineTypes/${name}`, {
    description: `${shape.vcpus} vCPUs, ${shape.memory} GB RAM`,
    guestCpus: shape.vcpus,
    memoryMb,
    imageSpaceGb: 0,
    maximumPersistentDisks: 128,
    maximumPersistentDisksSizeGb: "263168",
    zone: zoneName,
    isSharedCpu: /micro|small|medium/.test(name),
    architecture: shape.architecture === "arm64" ? "ARM64" : "X86_64",
    ...(gpus ? { accelerators: gpus } : {}),
  });
}

function diskTypes(project: string, zoneName: string): Json[] {
  return Object.entries(DISK_TYPES).map(([name, type]) =>
    offer("diskType", `projects/${project}/zones/${zoneName}/diskTypes/${name}`, {
      description: type.description,
      defaultDiskSizeGb: String(type.defaultGb),
      validDiskSize: `${type.smallestGb}GB-${type.largestGb}GB`,
      zone: link(`projects/${project}/zones/${zoneName}`),
    }),
  );
}

function accelerators(project: string, zoneName: string): Json[] {
  return acceleratorTypes(zoneName).map(({ name, title, most }) =>
    offer("acceleratorType", `projects/${project}/zones/${zoneName}/acceleratorTypes/${name}`, {
      description: `NVIDIA ${title}`,
      maximumCardsPerInstance: most,
      zone: link(`projects/${project}/zones/${zoneName}`),
    }),
  );
}
