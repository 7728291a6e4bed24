import { GoogleError } from "../../core/errors.ts";

const ROOT = "https://www.googleapis.com/compute/v1/";

/** Google's name for `projects/…`, whichever host was called: clients compare these links with what they sent. */
export function link(path: string): string {
  return `${ROOT}${path}`;
}

/** 400 in the sentence that Compute Engine uses for a field. */
export function invalid(field: string, value: unknown, sentence: string): GoogleError {
  const shown = typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
  return new GoogleError(400, "invalid", `Invalid value for field '${field}': '${shown}'. ${sentence}`);
}

export function notFound(path: string): GoogleError {
  return new GoogleError(404, "notFound", `The resource '${path}' was not found`);
}

/**
 * The path `projects/P/PLACE/PLURAL/NAME` that a reference names. Google takes a full link, `projects/…` or a link
 * relative to the project; a bare name is malformed. The host is not looked at: tools that were given another
 * endpoint write that one into their links.
 */
export function referred(text: string, field: string, project: string, plural: string): string {
  const path = relative(text, project);
  const pattern = new RegExp(`^projects/[^/]+/(global|(zones|regions)/[^/]+)/${plural}/(family/)?[^/]+$`);
  if (!path || !pattern.test(path)) throw invalid(field, text, "The URL is malformed.");
  return path;
}

function relative(text: string, project: string): string | undefined {
  const whole = /^https?:\/\/[^/]+\/compute\/(?:v1|beta|alpha)\/(projects\/.+)$/.exec(text);
  if (whole) return whole[1];
  if (/^\w+:/.test(text)) return undefined;
  const bare = text.replace(/^\//, "");
  if (bare.startsWith("projects/")) return bare;
  return /^(global|zones|regions)\//.test(bare) ? `projects/${project}/${bare}` : undefined;
}

export interface PathParts {
  project: string;
  /** `global`, `zones/Z` or `regions/R`. */
  place: string;
  plural: string;
  name: string;
}

export function split(path: string): PathParts {
  const parts = /^projects\/([^/]+)\/(global|(?:zones|regions)\/[^/]+)\/([^/]+)\/(.+)$/.exec(path);
  if (!parts) throw new Error(`not a resource's path: ${path}`);
  const [, project, place, plural, name] = parts as unknown as [string, string, string, string, string];
  return { project, place, plural, name };
}

/** The last segment of a link or path. */
export function lastPart(text: string): string {
  return text.slice(text.lastIndexOf("/") + 1);
}

/** `projects/…` of one of our own links. */
export function pathOf(selfLink: string): string {
  return selfLink.startsWith(ROOT) ? selfLink.slice(ROOT.length) : selfLink;
}

export function regionOf(zone: string): string {
  return zone.replace(/-[^-]+$/, "");
}
