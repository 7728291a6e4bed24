import { findMachineType } from "../../../catalog/machineTypes.ts";
import { projectNumber } from "../../core/cloud.ts";
import type { State } from "../../core/state.ts";
import { instanceTree } from "../../metadata/instance.ts";
import type { MetadataTree } from "../../metadata/tree.ts";
import { lastPart, pathOf } from "./links.ts";
import type { Instance, Metadata } from "./types.ts";

/** What a machine's metadata server shows besides the instance itself. */
export interface MetadataProject {
  id: string;
  /** Metadata for all machines of the project. */
  attributes: Readonly<Record<string, string>>;
}

export interface MachineState {
  preempted?: boolean;
  maintenanceEvent?: string;
  guestAttributes?: Record<string, Record<string, string>>;
  /** `projects/P/global/images/NAME` */
  image?: string;
}

/** What the metadata server of an instance shows, now. */
export function metadataTree(instance: Instance, project: MetadataProject, state: MachineState = {}): MetadataTree {
  const number = projectNumber(project.id);
  return instanceTree({
    projectId: project.id,
    projectNumber: number,
    id: instance.id,
    name: instance.name,
    zone: lastPart(instance.zone),
    machineType: lastPart(instance.machineType),
    image: state.image,
    description: typeof instance.description === "string" ? instance.description : "",
    cpuPlatform: instance.cpuPlatform,
    hostname: instance.hostname,
    attributes: attributes(instance.metadata.items),
    projectAttributes: project.attributes,
    tags: instance.tags.items ?? [],
    serviceAccounts: instance.serviceAccounts ?? [],
    networkInterfaces: instance.networkInterfaces.map((network) => ({
      network: `projects/${number}/networks/${lastPart(network.network)}`,
      ip: network.networkIP,
      externalIp: network.accessConfigs?.[0]?.natIP,
    })),
    disks: instance.disks.map(({ deviceName, index, mode, interface: bus }) => ({
      name: deviceName,
      index,
      mode,
      interface: bus,
    })),
    scheduling: instance.scheduling,
    preempted: state.preempted,
    maintenanceEvent: state.maintenanceEvent,
    guestAttributes: state.guestAttributes,
  });
}

export function attributes(items: readonly { key: string; value: string }[] | undefined): Record<string, string> {
  return Object.fromEntries((items ?? []).map(({ key, value }) => [key, value]));
}

/** Metadata for all machines of a project. */
export function projectAttributes(state: State, project: string): Record<string, string> {
  return attributes(state.collection<Metadata>("compute.projectMetadata").get(project)?.items);
}

/** vCPUs and memory of a machine type's link. */
export function sizeOf(machineType: string): { vcpus: number; memoryMb: number } {
  const shape = findMachineType(lastPart(pathOf(machineType)));
  return { vcpus: shape?.vcpus ?? 2, memoryMb: Math.round((shape?.memory ?? 4) * 1024) };
}
