import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Reply, Router } from "../../core/http.ts";
import { type Compute, where } from "./context.ts";
import { action, begin, requireStopped, type Target, truth } from "./instanceActions.ts";
import { requireDeviceName, requireUsable } from "./instanceDiskRules.ts";
import { invalid, pathOf } from "./links.ts";
import { ATTACHED_DISK } from "./shapes/machine.ts";
import type { AttachedDisk, Disk, Instance } from "./types.ts";

/** Adds what plugs disks in and out. */
export function addInstanceDisks(router: Router, compute: Compute): void {
  action(router, compute, "attachDisk", ATTACHED_DISK, (target) => attach(compute, target), "forceAttach");
  action(router, compute, "detachDisk", {}, (target) => detach(compute, target), "deviceName");
  action(
    router,
    compute,
    "setDiskAutoDelete",
    {},
    ({ call, path, instance }) => {
      const device = call.query.get("deviceName") ?? "";
      const autoDelete = truth(call, "autoDelete", false);
      deviceOf(instance, device);
      return begin(compute, call, "setDiskAutoDelete", path, instance, () => {
        const now = compute.get(path) as Instance;
        const disks = now.disks.map((disk) => (disk.deviceName === device ? { ...disk, autoDelete } : disk));
        compute.save(path, { ...now, disks });
      });
    },
    "deviceName",
    "autoDelete",
  );
}

function deviceOf(instance: Instance, device: string): AttachedDisk {
  const found = instance.disks.find(({ deviceName }) => deviceName === device);
  if (!found) throw invalid("deviceName", device, "No disk of the instance has this device name.");
  return found;
}

function attach(compute: Compute, { call, path, instance, body }: Target): Reply {
  if (call.query.has("forceAttach") && truth(call, "forceAttach", false)) throw notModelled("forceAttach");
  if (body.initializeParams) {
    throw invalid("initializeParams", "", "It is not possible to create and attach a disk at the same time.");
  }
  if (body.source === undefined)
    throw new GoogleError(400, "required", "Required field 'resource.source' not specified");
  const boot = body.boot === true;
  if (boot) {
    requireStopped(instance, "The boot disk");
    const [old] = instance.disks.filter((disk) => disk.boot);
    if (old) throw invalid("resource.boot", true, `The instance has a boot disk, ${old.deviceName}: detach it first.`);
  }
  const disk = requireUsable(compute, { ...where(call), call }, body, "resource", boot);
  const index = free(instance.disks.map((one) => one.index));
  const deviceName = requireDeviceName(
    body.deviceName ?? `persistent-disk-${index}`,
    instance.disks,
    "resource.deviceName",
  );
  const attached: AttachedDisk = {
    kind: "compute#attachedDisk",
    type: "PERSISTENT",
    mode: body.mode === "READ_ONLY" ? "READ_ONLY" : "READ_WRITE",
    source: disk.selfLink,
    deviceName,
    index,
    boot,
    autoDelete: body.autoDelete === true,
    interface: String(body.interface ?? "SCSI"),
    diskSizeGb: disk.sizeGb,
    architecture: disk.architecture,
    guestOsFeatures: disk.guestOsFeatures,
  };
  return begin(compute, call, "attachDisk", path, instance, () => {
    // From now on it is this machine's: what else is asked meanwhile is refused.
    requireUsable(compute, { ...where(call), call }, body, "resource", boot);
    setUsers(compute, disk.selfLink, [instance.selfLink]);
    const keep = () => {
      const now = compute.get(path) as Instance;
      const disks = boot ? [attached, ...now.disks] : [...now.disks, attached];
      compute.save(path, { ...now, disks });
    };
    return compute.machines.plug(path, attached, keep).catch((error: unknown) => {
      setUsers(compute, disk.selfLink, []);
      throw error;
    });
  });
}

function detach(compute: Compute, { call, path, instance }: Target): Reply {
  const device = call.query.get("deviceName") ?? "";
  const attached = deviceOf(instance, device);
  if (attached.boot) requireStopped(instance, "The boot disk");
  return begin(compute, call, "detachDisk", path, instance, () =>
    compute.machines.unplug(path, device, () => {
      const now = compute.get(path) as Instance;
      compute.save(path, { ...now, disks: now.disks.filter(({ deviceName }) => deviceName !== device) });
      setUsers(compute, attached.source, []);
    }),
  );
}

function setUsers(compute: Compute, source: string, users: string[]): void {
  const disk = compute.find(pathOf(source)) as Disk | undefined;
  if (!disk) return;
  const stamp = users.length > 0 ? "lastAttachTimestamp" : "lastDetachTimestamp";
  compute.save(pathOf(source), { ...disk, users, [stamp]: compute.time() });
}

function free(taken: readonly number[]): number {
  let index = 0;
  while (taken.includes(index)) index += 1;
  return index;
}
