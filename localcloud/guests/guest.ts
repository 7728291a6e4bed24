import type { RequestListener } from "node:http";

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
  /** The folder of the image that the disk was made from; `undefined`: the stock image. Read only. */
  imageFolder?: string;
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

/** A machine that runs. */
export interface Guest {
  /** Resolves once, when the machine is off, however that came about. Never rejects. */
  readonly off: Promise<{ reason: "poweroff" | "cut" | "crash"; message: string }>;
  /** ACPI power button: the guest shuts down in its own time. */
  powerButton(): Promise<void>;
  /** Takes the power away: nothing more runs in the guest, at once. */
  cut(): Promise<void>;
}

export interface GuestDriver {
  readonly level: GuestLevel;
  /** Why this level cannot run here and the line that would change that; `undefined` if it can. Fast, changes nothing. */
  unavailable(): Promise<{ reason: string; fix: string } | undefined>;
  /** Builds what is missing (packages, root file system), cached outside the repository; says what and how long. */
  prepare(progress: (line: string) => void): Promise<void>;
  boot(spec: GuestSpec): Promise<Guest>;
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
  "packages.cloud.google.com",
] as const;
