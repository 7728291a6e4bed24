// Machines and disks out of Compute Engine's lists.
import type { Thing } from "../../cleanup/compute.ts";
import type { Machine } from "./limits.ts";

/** A disk that a machine needs is made with it; one that no machine holds for so long was made, or left, by hand. */
export const LOOSE_AFTER_MS = 5 * 60_000;

export function lastPart(link: unknown): string {
  return (
    String(link ?? "")
      .split("/")
      .at(-1) ?? ""
  );
}

export function machineOf(thing: Thing, project: string): Machine {
  const one = thing as Thing & {
    id?: string;
    zone?: string;
    machineType?: string;
    lastStartTimestamp?: string;
    scheduling?: {
      maxRunDuration?: { seconds?: string };
      instanceTerminationAction?: string;
      provisioningModel?: string;
      preemptible?: boolean;
    };
    guestAccelerators?: { acceleratorType?: string; acceleratorCount?: number }[];
    networkInterfaces?: { accessConfigs?: unknown[]; ipv6AccessConfigs?: unknown[] }[];
    serviceAccounts?: { email?: string }[];
    disks?: { diskSizeGb?: string }[];
    metadata?: { items?: { key?: string; value?: string }[] };
  };
  const { scheduling = {} } = one;
  const created = Date.parse(one.creationTimestamp ?? "");
  const started = Date.parse(one.lastStartTimestamp ?? "");
  const seconds = Number(scheduling.maxRunDuration?.seconds);
  const run = one.metadata?.items?.find(({ key }) => key === "mlt-run")?.value;
  const email = one.serviceAccounts?.[0]?.email;
  return {
    id: String(one.id ?? ""),
    name: one.name,
    zone: lastPart(one.zone),
    project,
    status: one.status ?? "",
    type: lastPart(one.machineType),
    spot: scheduling.provisioningModel === "SPOT" || scheduling.preemptible === true,
    gpus: (one.guestAccelerators ?? []).map(({ acceleratorType, acceleratorCount }) => ({
      type: lastPart(acceleratorType),
      count: acceleratorCount ?? 0,
    })),
    created: Number.isNaN(created) ? 0 : created,
    ...(Number.isNaN(started) ? {} : { started }),
    ...(Number.isNaN(seconds) ? {} : { maxRunSeconds: seconds }),
    ...(scheduling.instanceTerminationAction ? { atItsEnd: scheduling.instanceTerminationAction } : {}),
    publicAddress: (one.networkInterfaces ?? []).some(
      ({ accessConfigs = [], ipv6AccessConfigs = [] }) => accessConfigs.length + ipv6AccessConfigs.length > 0,
    ),
    ...(email === undefined ? {} : { serviceAccount: email }),
    diskGb: (one.disks ?? []).reduce((sum, { diskSizeGb }) => sum + Number(diskSizeGb ?? 0), 0),
    ...(run === undefined ? {} : { run }),
  };
}

export interface LooseDisk {
  name: string;
  zone: string;
  reasons: string[];
}

/** Disks under a student's prefix that no machine holds. */
export function looseDisks(disks: readonly Thing[], now: number): LooseDisk[] {
  return disks.flatMap((thing) => {
    const { name, zone, users, sizeGb, creationTimestamp, lastDetachTimestamp } = thing as Thing & {
      zone?: string;
      users?: string[];
      sizeGb?: string;
      lastDetachTimestamp?: string;
    };
    const since = Math.max(Date.parse(creationTimestamp ?? ""), Date.parse(lastDetachTimestamp ?? "") || 0);
    // A workstation's disks hold a student's work and are the stack's own.
    if ((users ?? []).length > 0 || !/-run-/.test(name) || !(now - since > LOOSE_AFTER_MS)) return [];
    return [{ name, zone: lastPart(zone), reasons: [`no machine holds this disk of ${sizeGb ?? "?"} GB`] }];
  });
}
