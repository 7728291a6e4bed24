import type { RequestListener } from "node:http";
import type { Socket } from "node:net";

/** How faithfully a guest is a Compute Engine machine: from child processes to a machine with a kernel of its own. */
export type GuestLevel = "nspawn" | "qemu" | "process";

/** What a driver needs to boot one machine. Nothing here says that the machine is local. */
export interface GuestSpec {
  /** Unique among running guests: the instance's numeric id. */
  id: string;
  /** The instance's name, for host name and logs. */
  name: string;
  vcpus: number;
  memoryMb: number;
  /** The machine's own disk: a folder that survives stop and start and is removed with the disk. */
  diskFolder: string;
  /** The layers of the image that the disk was made from, the topmost first; none: the stock image. Read only. */
  imageFolders?: readonly string[];
  /** Disks besides its own, as block devices. */
  dataDisks?: readonly DataDisk[];
  /** Serves `http://metadata.google.internal`. */
  metadata: RequestListener;
  /** Serves Google's API host names (`GOOGLE_HOSTS`); the driver adds TLS with `certificate`. */
  googleApis: RequestListener;
  certificate: { key: string; certificate: string; authority: string };
  /** One line of the serial console. */
  serial: (line: string) => void;
  /** What `startup-script` is, for the level that runs it without an init system. */
  startupScript: string;
}

/** A disk that holds no system: a file of its size. */
export interface DataDisk {
  /** The guest finds it at `/dev/disk/by-id/google-NAME`. */
  name: string;
  file: string;
  readOnly: boolean;
}

/** Where a disk's content lies. */
export type DiskContent = Pick<GuestSpec, "diskFolder" | "imageFolders">;

/** A machine that runs. */
export interface Guest {
  /** Resolves once, when the machine is off, however that came about. Never rejects. */
  readonly off: Promise<{ reason: "poweroff" | "cut" | "crash"; message: string }>;
  /** ACPI power button: the guest shuts down in its own time. */
  powerButton(): Promise<void>;
  /** Takes the power away: nothing more runs in the guest, at once. */
  cut(): Promise<void>;
  /** Plugs a data disk in; rejects with the reason where the level or this host cannot. */
  attach(disk: DataDisk): Promise<void>;
  /** Pulls it out, whether it is in use or not. */
  detach(name: string): Promise<void>;
  /**
   * A connection to a port of the machine's own network address (not its loopback), as from its network. Rejects if
   * nothing listens there, or where the level has no such address.
   */
  connect(port: number): Promise<Socket>;
}

export interface GuestDriver {
  readonly level: GuestLevel;
  /** Why this level cannot run here and the line that would change that; `undefined` if it can. Fast, changes nothing. */
  unavailable(): Promise<{ reason: string; fix: string } | undefined>;
  /** Builds what is missing (packages, root file system), cached outside the repository; says what and how long. */
  prepare(progress: (line: string) => void): Promise<void>;
  boot(spec: GuestSpec): Promise<Guest>;
  /** Keeps what the disk of a machine that is off holds in the folder `to`, as a layer for other disks. */
  saveDisk(disk: DiskContent, to: string): Promise<void>;
}

/** Google's host names that guests reach over TLS. */
export const GOOGLE_HOSTS = [
  "storage.googleapis.com",
  "www.googleapis.com",
  "compute.googleapis.com",
  "iam.googleapis.com",
  "iamcredentials.googleapis.com",
  "cloudresourcemanager.googleapis.com",
  "serviceusage.googleapis.com",
  "oauth2.googleapis.com",
  "logging.googleapis.com",
  "iap.googleapis.com",
  "oslogin.googleapis.com",
  "packages.cloud.google.com",
] as const;
