import type { GuestSpec } from "../../guests/guest.ts";
import { dataDisk, diskAt, diskContent } from "./content.ts";
import { machineMetadata } from "./machineMetadata.ts";
import type { Machines, MachinesOptions } from "./machines.ts";
import { attributes, sizeOf } from "./metadataTree.ts";
import type { Instance } from "./types.ts";

/** What a driver needs to boot an instance as it is now. */
export function guestSpec(machines: Machines, options: MachinesOptions, path: string): GuestSpec {
  const { cloud, metadataFor, googleApis, certificate } = options;
  const instance = cloud.state.collection<Instance>("compute.instances").get(path);
  if (!instance) throw new Error("the machine is gone");
  const boot = instance.disks.find((disk) => disk.boot);
  const disk = boot && diskAt(cloud.state, boot.source);
  if (!disk) throw new Error(`the boot disk ${boot?.source ?? ""} is gone`);
  const serial = machines.serial(path);
  return {
    id: instance.id,
    name: instance.name,
    ...sizeOf(instance.machineType),
    ...diskContent(cloud.state, disk),
    dataDisks: instance.disks.filter((one) => !one.boot).map((one) => dataDisk(cloud.state, one)),
    metadata: metadataFor(machineMetadata(machines, cloud, path, instance.id)),
    googleApis,
    certificate,
    serial: (line) => serial.append(line),
    startupScript: attributes(instance.metadata.items)["startup-script"] ?? "",
  };
}
