/** Which service answers a path's first part, and what its API is called. */
export interface ServiceName {
  /** As faults name it. */
  name: string;
  /** As Service Usage names it; absent: it needs no enabling. */
  api?: string;
  /** Anybody may call it: no token is asked for, and one that is sent is not looked at. */
  public?: boolean;
}

const STORAGE: ServiceName = { name: "storage", api: "storage.googleapis.com" };

const FIRST_SEGMENTS: Record<string, ServiceName> = {
  storage: STORAGE,
  "storage-xml": STORAGE,
  upload: STORAGE,
  resumable: STORAGE,
  download: STORAGE,
  batch: STORAGE,
  "google.storage.control.v2.StorageControl": STORAGE,
  compute: { name: "compute", api: "compute.googleapis.com" },
  iam: { name: "iam", api: "iam.googleapis.com" },
  iamcredentials: { name: "iamcredentials", api: "iamcredentials.googleapis.com" },
  crm: { name: "resourcemanager", api: "cloudresourcemanager.googleapis.com" },
  su: { name: "serviceusage", api: "serviceusage.googleapis.com" },
  logging: { name: "logging", api: "logging.googleapis.com" },
  iap: { name: "iap", api: "iap.googleapis.com" },
  billing: { name: "cloudbilling", api: "cloudbilling.googleapis.com" },
  orgpolicy: { name: "orgpolicy", api: "orgpolicy.googleapis.com" },
  container: { name: "container", api: "container.googleapis.com" },
  kms: { name: "cloudkms", api: "cloudkms.googleapis.com" },
  oslogin: { name: "oslogin", api: "oslogin.googleapis.com" },
  oauth2: { name: "oauth2" },
  packages: { name: "packages", public: true },
  local: { name: "local" },
};

export function serviceOf(rawPath: string): ServiceName | undefined {
  const parts = rawPath.split("/").filter(Boolean);
  // Each API has its batches at /batch/<API>/…
  const first = (parts[0] === "batch" && parts[1] === "compute" ? parts[1] : parts[0]) ?? "";
  return Object.hasOwn(FIRST_SEGMENTS, first) ? FIRST_SEGMENTS[first] : undefined;
}

/** Google serves each API at the root of a host of its own; here each has a first path part of its own. */
const PREFIXES: Record<string, string> = {
  "storage.googleapis.com": "",
  "www.googleapis.com": "",
  "compute.googleapis.com": "",
  "iam.googleapis.com": "/iam",
  "iamcredentials.googleapis.com": "/iamcredentials",
  "cloudresourcemanager.googleapis.com": "/crm",
  "serviceusage.googleapis.com": "/su",
  "oauth2.googleapis.com": "/oauth2",
  "logging.googleapis.com": "/logging",
  "iap.googleapis.com": "/iap",
  "oslogin.googleapis.com": "/oslogin",
  "cloudbilling.googleapis.com": "/billing",
  "orgpolicy.googleapis.com": "/orgpolicy",
  "container.googleapis.com": "/container",
  "cloudkms.googleapis.com": "/kms",
  "packages.cloud.google.com": "/packages",
};

export function isGoogleHost(host: string): boolean {
  return Object.hasOwn(PREFIXES, host);
}

/** The local path for a call to one of Google's host names; `undefined` for a host that is not served. */
export function pathForHost(host: string, rawPath: string): string | undefined {
  if (host === "storage.googleapis.com" && serviceOf(rawPath) === undefined) return xmlPath(rawPath);
  const prefix = Object.hasOwn(PREFIXES, host) ? PREFIXES[host] : undefined;
  return prefix === undefined ? undefined : prefix + rawPath;
}

/** The XML API has buckets at the root of its host: `/BUCKET/OBJECT`, where the object's name may hold slashes. */
function xmlPath(rawPath: string): string {
  const [bucket = "", ...name] = rawPath.replace(/^\//, "").split("/");
  return `/storage-xml/${bucket}${name.length > 0 ? `/${name.join("%2F")}` : ""}`;
}

/**
 * With `STORAGE_EMULATOR_HOST`, Google's Node client leaves `/storage/v1` out of its paths, which its Python client puts
 * in: one value of that variable serves both only if a path that begins with `/b` is storage's. Its Go client, and with
 * it Pulumi's `gs://` states, reads objects by the XML API whatever it uses for everything else: `/BUCKET/OBJECT`, where
 * there is such a bucket.
 */
export function withStoragePrefix(rawPath: string, isBucket: (name: string) => boolean): string {
  if (/^\/b(\/|$)/.test(rawPath)) return `/storage/v1${rawPath}`;
  const [, bucket = ""] = /^\/([a-z0-9][a-z0-9._-]+)\/./.exec(rawPath) ?? [];
  return bucket !== "" && serviceOf(rawPath) === undefined && isBucket(bucket) ? xmlPath(rawPath) : rawPath;
}
