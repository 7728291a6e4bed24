import type { Thing } from "./context.ts";

export interface Scheduling {
  onHostMaintenance: "MIGRATE" | "TERMINATE";
  automaticRestart: boolean;
  preemptible: boolean;
  provisioningModel: "STANDARD" | "SPOT";
  instanceTerminationAction?: "STOP" | "DELETE";
  maxRunDuration?: { seconds: string; nanos?: number };
  terminationTime?: string;
  [member: string]: unknown;
}

export interface NetworkInterface {
  kind: "compute#networkInterface";
  name: string;
  network: string;
  subnetwork: string;
  networkIP: string;
  stackType: string;
  fingerprint: string;
  accessConfigs?: { kind: string; name: string; type: string; natIP: string; networkTier: string }[];
  [member: string]: unknown;
}

export interface AttachedDisk {
  kind: "compute#attachedDisk";
  type: "PERSISTENT";
  mode: "READ_WRITE" | "READ_ONLY";
  source: string;
  deviceName: string;
  index: number;
  boot: boolean;
  autoDelete: boolean;
  interface: string;
  diskSizeGb: string;
  [member: string]: unknown;
}

export interface Metadata {
  kind: "compute#metadata";
  fingerprint: string;
  items?: { key: string; value: string }[];
}

export type InstanceStatus = "PROVISIONING" | "STAGING" | "RUNNING" | "STOPPING" | "TERMINATED";

export interface Instance extends Thing {
  status: InstanceStatus;
  statusMessage?: string;
  zone: string;
  machineType: string;
  cpuPlatform: string;
  tags: { items?: string[]; fingerprint: string };
  labels?: Record<string, string>;
  labelFingerprint: string;
  metadata: Metadata;
  networkInterfaces: NetworkInterface[];
  disks: AttachedDisk[];
  scheduling: Scheduling;
  serviceAccounts?: { email: string; scopes: string[] }[];
  guestAccelerators?: { acceleratorType: string; acceleratorCount: number }[];
  deletionProtection: boolean;
  fingerprint: string;
  hostname?: string;
  lastStartTimestamp?: string;
  lastStopTimestamp?: string;
  resourceStatus?: { scheduling?: { terminationTimestamp?: string } };
}

export interface Disk extends Thing {
  sizeGb: string;
  zone: string;
  type: string;
  status: string;
  sourceImage?: string;
  sourceImageId?: string;
  labels?: Record<string, string>;
  labelFingerprint: string;
  users?: string[];
}

export interface Image extends Thing {
  status: string;
  diskSizeGb: string;
  archiveSizeBytes: string;
  family?: string;
  architecture: string;
  deprecated?: { state: string; replacement?: string; deprecated?: string; obsolete?: string; deleted?: string };
}
