import { createHash } from "node:crypto";
import type { KubeObject } from "./objects.ts";

/**
 * The same text for the same objects, whatever order a renderer put them or their members in: objects by group, kind,
 * namespace and name, members by name. Lists keep their order, which means something in Kubernetes.
 */
export function canonicalJson(objects: readonly KubeObject[]): string {
  const keyed = objects.map((object) => [keyOf(object), sorted(object)] as const);
  keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify(keyed.map(([, object]) => object));
}

/** SHA-256 of the canonical JSON, in hexadecimal. */
export function canonicalHash(objects: readonly KubeObject[]): string {
  return createHash("sha256").update(canonicalJson(objects)).digest("hex");
}

function keyOf({ apiVersion, kind, metadata }: KubeObject): string {
  return [apiVersion, kind, metadata.namespace ?? "", metadata.name].join("\0");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
