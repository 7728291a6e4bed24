import type { Kubectl } from "./kubectl.ts";
import { COMPONENT_LABEL, SERVED_BY, type SERVED_COMPONENTS } from "./servingAccess.ts";

/** A server that a pipeline has started, and that goes on after the run. */
export interface Served {
  component: string;
  /** Its Deployment's and Service's name. */
  name: string;
  ready: number;
  wanted: number;
  image: string;
  since: string;
}

interface Deployment {
  metadata: { name: string; creationTimestamp: string; labels?: Record<string, string> };
  spec: { replicas?: number; template: { spec: { containers: { image: string }[] } } };
  status?: { readyReplicas?: number };
}

const SELECTOR = Object.entries(SERVED_BY)
  .map(([key, value]) => `${key}=${value}`)
  .join(",");

/** What is served, by name. */
export async function readServed(kubectl: Kubectl): Promise<Served[]> {
  const args = ["get", "deployments", "--selector", SELECTOR];
  const { items } = await kubectl.json<{ items: Deployment[] }>(args, "Looking at what is served");
  return items.map(({ metadata, spec, status }) => ({
    component: metadata.labels?.[COMPONENT_LABEL] ?? "",
    name: metadata.name,
    ready: status?.readyReplicas ?? 0,
    wanted: spec.replicas ?? 1,
    image: spec.template.spec.containers[0]?.image ?? "",
    since: metadata.creationTimestamp,
  }));
}

/** The one that has this part; the newest where there are several. */
export function servedAs(served: readonly Served[], component: (typeof SERVED_COMPONENTS)[number]): Served | undefined {
  return served
    .filter((each) => each.component === component)
    .sort((one, other) => other.since.localeCompare(one.since))[0];
}

/** Everything that pipelines have put beside their runs, as `kind/name`. */
export async function readLeft(kubectl: Kubectl): Promise<string[]> {
  const args = ["get", "deployments,services,configmaps", "--selector", SELECTOR, "--output", "name"];
  return (await kubectl.text(args, "Looking at what is served")).split("\n").filter(Boolean);
}

/** Deletes what `readLeft` has listed and waits until it is gone; returns what was. */
export async function removeLeft(kubectl: Kubectl, left: readonly string[]): Promise<void> {
  await kubectl.text(
    ["delete", "--ignore-not-found", "--wait=true", "--timeout=120s", ...left],
    "Removing what is served",
  );
}
