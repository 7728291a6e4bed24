import type { Kubectl } from "./kubectl.ts";

interface ContainerStatus {
  name: string;
  ready?: boolean;
  restartCount?: number;
  state?: {
    waiting?: { reason?: string; message?: string };
    terminated?: { reason?: string; message?: string; exitCode?: number };
    running?: object;
  };
  lastState?: { terminated?: { reason?: string; exitCode?: number } };
}

export interface Pod {
  metadata: {
    name: string;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

/** A pod that does not run as it should, and why. */
export interface Trouble {
  pod: string;
  reason: string;
}

/** All pods of the namespace, or those with these labels. */
export async function readPods(kubectl: Kubectl, selector?: string): Promise<Pod[]> {
  const narrowed = selector ? ["--selector", selector] : [];
  const { items } = await kubectl.json<{ items: Pod[] }>(["get", "pods", ...narrowed], "Looking at the pods");
  return items;
}

/** Containers that are only on their way. */
const USUAL = ["ContainerCreating", "PodInitializing"];

/** Pods that do not start or do not stay, each with the first reason that Kubernetes gives. */
export function troublesOf(pods: readonly Pod[]): Trouble[] {
  return pods.flatMap((pod) => {
    const reason = pod.metadata.deletionTimestamp ? undefined : reasonOf(pod);
    return reason ? [{ pod: pod.metadata.name, reason }] : [];
  });
}

/** Why a pod does not run; `undefined` where it runs, has ended well or is on its way. */
export function reasonOf({ status = {} }: Pod): string | undefined {
  const { phase, conditions = [], initContainerStatuses = [], containerStatuses = [] } = status;
  if (phase === "Succeeded") return undefined;
  const unscheduled = conditions.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  if (unscheduled) return told("no node for it", unscheduled.message ?? unscheduled.reason);
  for (const { name, state = {}, lastState, restartCount = 0 } of [...initContainerStatuses, ...containerStatuses]) {
    const { waiting, terminated } = state;
    if (waiting?.reason && !USUAL.includes(waiting.reason)) {
      const before = lastState?.terminated;
      const last = before ? `it ended with ${before.reason ?? "code"} ${before.exitCode ?? ""}`.trim() : undefined;
      return told(`${name}: ${waiting.reason}`, last ?? waiting.message);
    }
    if (terminated && terminated.exitCode !== 0) {
      return told(`${name}: ended with ${terminated.reason ?? "code"} ${terminated.exitCode}`, terminated.message);
    }
    if (restartCount > 3) return told(`${name}: started ${restartCount + 1} times`, lastState?.terminated?.reason);
  }
  if (phase === "Failed") return told(status.reason ?? "failed", status.message);
  return undefined;
}

function told(what: string, more: string | undefined): string {
  const text = more?.replaceAll(/\s+/g, " ").trim();
  return text ? `${what}: ${text}` : what;
}
