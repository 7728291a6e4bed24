import { parse, stringify } from "yaml";
import { containersOf, copyOf, type KubeObject, podSpecOf, withPodSpec } from "../objects.ts";

interface Requests {
  cpu: string;
  memory: string;
}

/**
 * What containers ask for that ask for nothing, by Deployment and container. A container without requests is the first
 * to be killed when a node is short of memory, and the autoscaler does not see it. The figures are this project's:
 * small controllers in Go take 20–40 MiB at rest, the two in Python and C++ more.
 */
const REQUESTS: Readonly<Record<string, Requests>> = {
  "metadata-envoy-deployment/container": { cpu: "10m", memory: "64Mi" },
  "metadata-grpc-deployment/container": { cpu: "50m", memory: "128Mi" },
  "metadata-writer/main": { cpu: "10m", memory: "160Mi" },
  "ml-pipeline-scheduledworkflow/ml-pipeline-scheduledworkflow": { cpu: "20m", memory: "64Mi" },
  "ml-pipeline-viewer-crd/ml-pipeline-viewer-crd": { cpu: "10m", memory: "64Mi" },
};

/** For every other container without requests. */
const OTHERS: Requests = { cpu: "10m", memory: "64Mi" };

/** For Argo's own two containers in each step's pod, beside the step's. */
const EXECUTOR: Requests = { cpu: "10m", memory: "64Mi" };

/** Adds what is missing of `cpu` and `memory`; what is asked for stays. */
export function withRequests(objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => {
    if (object.kind === "ConfigMap" && object.metadata.name === "workflow-controller-configmap")
      return executor(object);
    return withPodSpec(object, (spec) => {
      for (const container of containersOf(spec)) {
        const wanted = REQUESTS[`${object.metadata.name}/${container.name}`] ?? OTHERS;
        const { resources } = container;
        // Kubernetes takes a limit for the request where there is none.
        container.resources = { ...resources, requests: { ...wanted, ...resources?.limits, ...resources?.requests } };
      }
    });
  });
}

/** The steps' pods are Argo's: it takes their helpers' requests from its settings. */
function executor(object: KubeObject): KubeObject {
  const copy = copyOf(object) as KubeObject & { data?: Record<string, string> };
  const settings = (parse(copy.data?.executor ?? "") ?? {}) as { resources?: { requests?: Record<string, string> } };
  const { resources } = settings;
  copy.data = {
    ...copy.data,
    executor: stringify({
      ...settings,
      resources: { ...resources, requests: { ...EXECUTOR, ...resources?.requests } },
    }),
  };
  return copy;
}

/** What all pods of an installation ask for: thousandths of a CPU and MiB, one pod of each Deployment. */
export function totalRequests(objects: readonly KubeObject[]): { milliCpu: number; mebibytes: number } {
  const total = { milliCpu: 0, mebibytes: 0 };
  for (const object of objects) {
    const spec = podSpecOf(object);
    if (!spec) continue;
    const { replicas = 1 } = (object.spec ?? {}) as { replicas?: number };
    const sum = (key: "cpu" | "memory", read: (text: string) => number) => {
      const of = (containers: typeof spec.containers) =>
        containers.map(({ resources }) => read(resources?.requests?.[key] ?? "0"));
      // Init containers run one after the other, before the others.
      const running = of(spec.containers).reduce((a, b) => a + b, 0);
      return Math.max(running, ...of(spec.initContainers ?? []));
    };
    total.milliCpu += replicas * sum("cpu", milli);
    total.mebibytes += replicas * sum("memory", mebi);
  }
  return total;
}

function milli(text: string): number {
  return text.endsWith("m") ? Number(text.slice(0, -1)) : Number(text) * 1000;
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

function mebi(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text) ?? [];
  return (Number(number) * (UNITS[unit] ?? Number.NaN)) / 2 ** 20;
}
