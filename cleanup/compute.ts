import { pages } from "./rest.ts";
import type { Kind } from "./types.ts";

/** A resource of Compute Engine as its list shows it. */
export interface Thing {
  name: string;
  selfLink: string;
  description?: string;
  creationTimestamp?: string;
  labels?: Record<string, string>;
  status?: string;
  [member: string]: unknown;
}

interface Collection {
  kind: Kind;
  plural: string;
  /** Listed over all zones and regions at once, or global. */
  aggregated: boolean;
}

export const COLLECTIONS: readonly Collection[] = [
  { kind: "machine", plural: "instances", aggregated: true },
  { kind: "disk", plural: "disks", aggregated: true },
  { kind: "snapshot", plural: "snapshots", aggregated: false },
  { kind: "image", plural: "images", aggregated: false },
  { kind: "address", plural: "addresses", aggregated: true },
  { kind: "template", plural: "instanceTemplates", aggregated: true },
  { kind: "schedule", plural: "resourcePolicies", aggregated: true },
  { kind: "router", plural: "routers", aggregated: true },
  { kind: "firewall", plural: "firewalls", aggregated: false },
  { kind: "subnetwork", plural: "subnetworks", aggregated: true },
  { kind: "network", plural: "networks", aggregated: false },
];

interface Page {
  nextPageToken?: string;
  items?: Thing[] | Record<string, Record<string, unknown> & { warning?: { code?: string; message?: string } }>;
  warning?: { code?: string; message?: string };
  unreachables?: string[];
}

/** Machines' startup scripts come along in their list: smaller pages keep an answer under some tens of megabytes. */
const PAGE: Readonly<Record<string, string>> = { instances: "100", instanceTemplates: "100" };

/** A whole collection of a project, and the places that Google could not look into just now. */
export async function listAll(
  project: string,
  { plural, aggregated }: Collection,
): Promise<{ things: Thing[]; unreachable: string[] }> {
  const things: Thing[] = [];
  const unreachable: string[] = [];
  const path = `projects/${project}/${aggregated ? "aggregated" : "global"}/${plural}`;
  const query = { maxResults: PAGE[plural] ?? "500", returnPartialSuccess: "true" };
  await pages<Page>("compute", path, { query }, (page) => {
    unreachable.push(...(page.unreachables ?? []));
    if (page.warning?.code === "UNREACHABLE") unreachable.push(page.warning.message ?? "some places");
    if (Array.isArray(page.items)) things.push(...page.items);
    else {
      for (const [place, group] of Object.entries(page.items ?? {})) {
        if (group.warning?.code === "UNREACHABLE") unreachable.push(place.replace(/^\w+\//, ""));
        things.push(...((group[plural] as Thing[] | undefined) ?? []));
      }
    }
  });
  return { things, unreachable: [...new Set(unreachable)] };
}

/** `projects/P/zones/Z/instances/NAME` out of a link, whatever host or version it names. */
export function pathOf(selfLink: string): string {
  return /projects\/.*$/.exec(selfLink)?.[0] ?? selfLink;
}

/** The zone, the region or `global` of a path. */
export function placeOf(path: string): string {
  return /\/(?:zones|regions)\/([^/]+)\//.exec(path)?.[1] ?? "global";
}

/** The last part of a link. */
export function lastPart(link: unknown): string {
  return (
    String(link ?? "")
      .split("/")
      .at(-1) ?? ""
  );
}
