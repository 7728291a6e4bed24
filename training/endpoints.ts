// Where Google's APIs are. Google's own variables move them (`gcloud` reads the same ones), so that one setting serves
// every tool.

function override(service: string): string | undefined {
  const value = process.env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${service}`]?.trim();
  return value ? value : undefined;
}

/** The storage service's root without a path; `undefined`: Google's own. */
export function storageRoot(): string | undefined {
  return override("STORAGE")?.replace(/\/(storage\/v1\/?)?$/, "");
}

/** An object's contents, of exactly this generation. */
export function mediaUrl(bucket: string, name: string, generation: string): string {
  const root = storageRoot() ?? "https://storage.googleapis.com";
  const object = `${encodeURIComponent(bucket)}/o/${encodeURIComponent(name)}`;
  return `${root}/storage/v1/b/${object}?alt=media&generation=${encodeURIComponent(generation)}`;
}

/** The compute service's root, ending in a slash; `undefined`: Google's own. */
export function computeRoot(): string | undefined {
  return override("COMPUTE")?.replace(/\/?(compute\/v1\/?)?$/, "/");
}
