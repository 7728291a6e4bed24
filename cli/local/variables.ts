import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Daemon } from "../../localcloud/daemon.ts";
import { writeLauncher } from "../../localcloud/gcloud/launcher.ts";

export type Shell = "sh" | "fish" | "powershell";
export const SHELLS: readonly Shell[] = ["sh", "fish", "powershell"];

export interface VariableOptions {
  stateFolder: string;
  /** For Google's own Pulumi plugin: keeps it from asking Google who its token belongs to, which fails for minutes. */
  realProvider?: boolean;
  /** The variables of the shell that will get these. */
  present?: NodeJS.ProcessEnv;
}

/** Where gcloud and Google's Pulumi provider find each API of the local cloud. */
const GCLOUD: Record<string, string> = {
  COMPUTE: "compute/v1/",
  STORAGE: "storage/v1/",
  IAM: "iam/",
  IAMCREDENTIALS: "iamcredentials/",
  CLOUDRESOURCEMANAGER: "crm/",
  SERVICEUSAGE: "su/",
  LOGGING: "logging/",
  IAP: "iap/",
  OSLOGIN: "oslogin/",
  CLOUDBILLING: "billing/",
  ORGPOLICY: "orgpolicy/",
  CLOUDKMS: "kms/",
  CONTAINER: "container/",
};

const PROVIDER: Record<string, string> = {
  COMPUTE: "compute/beta/",
  STORAGE: "storage/v1/",
  IAM: "iam/v1/",
  IAM_BETA: "iam/v1/",
  IAM_CREDENTIALS: "iamcredentials/v1/",
  SERVICE_USAGE: "su/v1beta1/",
  RESOURCE_MANAGER: "crm/v1/",
  RESOURCE_MANAGER_V3: "crm/v3/",
  IAP: "iap/v1/",
  CONTAINER: "container/v1beta1/",
};

/** Every variable with which Google's clients, gcloud and Pulumi use the local cloud, and nothing else of this machine. */
export function clientVariables(daemon: Daemon, options: VariableOptions): Record<string, string> {
  const { stateFolder, present = process.env } = options;
  const pulumi = folder(stateFolder, "pulumi");
  const gcloud = folder(stateFolder, "gcloud");
  const tokenFile = join(stateFolder, "operator-token");
  writeFileSync(tokenFile, daemon.token, { mode: 0o600 });
  const metadata = new URL(daemon.metadataUrl).host;
  const endpoints = (format: (name: string) => string, paths: Record<string, string>) =>
    Object.fromEntries(Object.entries(paths).map(([name, path]) => [format(name), `${daemon.url}/${path}`]));
  return {
    ...path(stateFolder, present),
    GOOGLE_CLOUD_PROJECT: daemon.project,
    GCE_METADATA_HOST: metadata,
    GCE_METADATA_IP: metadata,
    METADATA_SERVER_DETECTION: "assume-present",
    STORAGE_EMULATOR_HOST: daemon.operatorUrl,
    CLOUDSDK_CONFIG: gcloud,
    CLOUDSDK_CORE_PROJECT: daemon.project,
    CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: tokenFile,
    CLOUDSDK_CORE_DISABLE_USAGE_REPORTING: "true",
    CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK: "true",
    ...endpoints((name) => `CLOUDSDK_API_ENDPOINT_OVERRIDES_${name}`, GCLOUD),
    GOOGLE_PROJECT: daemon.project,
    GOOGLE_OAUTH_ACCESS_TOKEN: daemon.token,
    ...endpoints((name) => `GOOGLE_${name}_CUSTOM_ENDPOINT`, PROVIDER),
    PULUMI_GCP_SKIP_REGION_VALIDATION: "true",
    PULUMI_BACKEND_URL: pathToFileURL(pulumi).href,
    PULUMI_CONFIG_PASSPHRASE: "local",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...proxy(options.realProvider === true, present),
  };
}

/**
 * The local cloud's own `gcloud`, before any other: what mlt connects to machines with. Windows has no shell that could
 * start it, and no machines either.
 */
function path(stateFolder: string, present: NodeJS.ProcessEnv): Record<string, string> {
  if (process.platform === "win32") return {};
  const bin = writeLauncher(stateFolder, ["--import", pathToFileURL(TYPESCRIPT).href]);
  const others = (present.PATH ?? "").split(delimiter).filter((folder) => folder !== "" && folder !== bin);
  return { PATH: [bin, ...others].join(delimiter) };
}

const TYPESCRIPT = fileURLToPath(new URL("../typescript.js", import.meta.url));

/** Nothing listens there: whoever goes through it is refused at once. */
export const REFUSING_PROXY = "http://127.0.0.1:9";

/** Whether this machine reaches the network through a proxy. */
export function hasProxy(present: NodeJS.ProcessEnv): boolean {
  const names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
  return names.some((name) => present[name]);
}

/**
 * A proxy that this machine uses must not get calls to this machine. With the real provider nothing but the local cloud
 * may be reached: a refused connection ends its questions to Google at once, where no answer at all takes five minutes.
 */
function proxy(realProvider: boolean, present: NodeJS.ProcessEnv): Record<string, string> {
  if (!hasProxy(present) && !realProvider) return {};
  const direct = (present.NO_PROXY ?? present.no_proxy ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  const names = [...new Set([...direct, "127.0.0.1", "localhost"])].join(",");
  return { ...(realProvider ? { HTTPS_PROXY: REFUSING_PROXY } : {}), NO_PROXY: names, no_proxy: names };
}

function folder(...parts: string[]): string {
  const path = join(...parts);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

/** The lines that set the variables in a shell. */
export function shellLines(variables: Record<string, string>, shell: Shell): string {
  return Object.entries(variables)
    .map(([name, value]) => SET[shell](name, value))
    .join("\n");
}

const SET: Record<Shell, (name: string, value: string) => string> = {
  sh: (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'`,
  fish: (name, value) => `set -gx ${name} '${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`,
  powershell: (name, value) => `$env:${name} = '${value.replaceAll("'", "''")}'`,
};
