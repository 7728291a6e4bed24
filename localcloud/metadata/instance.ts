import type { MetadataDirectory, MetadataTree } from "./tree.ts";

export interface NetworkFacts {
  /** `projects/NUMBER/networks/NAME` */
  network: string;
  ip: string;
  mac?: string;
  gateway?: string;
  subnetmask?: string;
  mtu?: number;
  /** Absent: no public address. */
  externalIp?: string;
}

/** What the cloud knows about one machine, as its metadata server shows it. */
export interface InstanceFacts {
  projectId: string;
  projectNumber: string;
  /** Decimal digits. */
  id: string;
  name: string;
  /** `us-central1-a` */
  zone: string;
  machineType: string;
  /** `projects/P/global/images/NAME` */
  image?: string;
  description?: string;
  cpuPlatform?: string;
  hostname?: string;
  attributes: Readonly<Record<string, string>>;
  projectAttributes?: Readonly<Record<string, string>>;
  tags?: readonly string[];
  /** The first is `default`. */
  serviceAccounts: readonly { email: string; scopes: readonly string[] }[];
  networkInterfaces: readonly NetworkFacts[];
  disks: readonly { name: string; index?: number; mode?: string; type?: string; interface?: string }[];
  scheduling: { automaticRestart: boolean; onHostMaintenance: string; preemptible: boolean };
  preempted?: boolean;
  maintenanceEvent?: string;
  guestAttributes?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The tree of one machine: what Compute Engine serves at `/computeMetadata/v1/`. */
export function instanceTree(facts: InstanceFacts): MetadataTree {
  const project = `projects/${facts.projectNumber}`;
  const { scheduling } = facts;
  return {
    instance: {
      attributes: { ...facts.attributes },
      "cpu-platform": facts.cpuPlatform ?? "Intel Broadwell",
      description: facts.description ?? "",
      disks: facts.disks.map((disk, index) => ({
        "device-name": disk.name,
        index: disk.index ?? index,
        interface: disk.interface ?? "SCSI",
        mode: disk.mode ?? "READ_WRITE",
        type: disk.type ?? "PERSISTENT-BALANCED",
      })),
      "guest-attributes": { ...facts.guestAttributes } as MetadataDirectory,
      hostname: facts.hostname ?? `${facts.name}.${facts.zone}.c.${facts.projectId}.internal`,
      id: BigInt(facts.id),
      image: facts.image ?? "",
      licenses: [],
      "machine-type": `${project}/machineTypes/${facts.machineType}`,
      "maintenance-event": facts.maintenanceEvent ?? "NONE",
      name: facts.name,
      "network-interfaces": facts.networkInterfaces.map((network) => networkInterface(network)),
      preempted: facts.preempted ? "TRUE" : "FALSE",
      "remaining-cpu-time": -1,
      scheduling: {
        "automatic-restart": scheduling.automaticRestart ? "TRUE" : "FALSE",
        "on-host-maintenance": scheduling.onHostMaintenance,
        preemptible: scheduling.preemptible ? "TRUE" : "FALSE",
      },
      "service-accounts": serviceAccounts(facts.serviceAccounts),
      tags: [...(facts.tags ?? [])],
      "virtual-clock": { "drift-token": "0" },
      zone: `${project}/zones/${facts.zone}`,
    },
    oslogin: { authenticate: { sessions: {} } },
    project: {
      attributes: { ...facts.projectAttributes },
      "numeric-project-id": BigInt(facts.projectNumber),
      "project-id": facts.projectId,
    },
  };
}

function serviceAccounts(accounts: InstanceFacts["serviceAccounts"]): MetadataDirectory {
  const directory: MetadataDirectory = {};
  for (const [index, { email, scopes }] of accounts.entries()) {
    const aliases = index === 0 ? ["default"] : [];
    for (const name of [...aliases, email]) directory[name] = { aliases, email, scopes: [...scopes] };
  }
  return directory;
}

function networkInterface(facts: NetworkFacts): MetadataDirectory {
  return {
    "access-configs": [{ "external-ip": facts.externalIp ?? "", type: "ONE_TO_ONE_NAT" }].slice(
      facts.externalIp === undefined ? 1 : 0,
    ),
    "dns-servers": ["169.254.169.254"],
    "forwarded-ips": [],
    gateway: facts.gateway ?? facts.ip.replace(/\d+$/, "1"),
    ip: facts.ip,
    "ip-aliases": [],
    mac: facts.mac ?? macAddress(facts.ip),
    mtu: facts.mtu ?? 1460,
    network: facts.network,
    subnetmask: facts.subnetmask ?? "255.255.240.0",
    "target-instance-ips": [],
  };
}

/** Compute Engine derives a machine's hardware address from its internal one. */
function macAddress(ip: string): string {
  const bytes = ip.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["42", "01", ...bytes].join(":");
}
