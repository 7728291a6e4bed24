import { isPinned } from "../imageNames.ts";
import { containersOf, copyOf, isNamespaced, type KubeObject, NAMESPACE, nameOf, podSpecOf } from "../objects.ts";
import { KubeflowError } from "../problem.ts";
import { imageUses } from "./images.ts";

/** Kinds that open a way in from outside the cluster. */
const DOORS: readonly string[] = [
  "Ingress",
  "Gateway",
  "HTTPRoute",
  "GRPCRoute",
  "TCPRoute",
  "TLSRoute",
  "VirtualService",
];

/** Parts of a pod that reach out of it into the node. */
const HOST_MEMBERS = ["hostNetwork", "hostPID", "hostIPC"] as const;

/**
 * The last look at what will be sent to the cluster, whatever the manifests were: no way in from outside, no pod that
 * reaches into its node, nothing unpinned or without requests, nothing outside the namespace, nothing twice.
 *
 * @param known images that are one release's although their tag has no three numbers (`seaweedfs:4.34`)
 * @throws {KubeflowError} with every problem at once
 */
export function checkInstallation(objects: readonly KubeObject[], known: readonly string[] = []): void {
  const seen = new Set<string>();
  const problems = objects.flatMap((object) => {
    const key = `${object.apiVersion} ${nameOf(object)}`;
    const twice = seen.has(key) ? ["is there twice"] : [];
    seen.add(key);
    return [...twice, ...doors(object), ...place(object), ...pods(object), ...images(object, known)].map(
      (problem) => `  ${nameOf(object)} ${problem}`,
    );
  });
  if (problems.length > 0) {
    throw new KubeflowError(`Kubeflow cannot be installed so; of its manifests:\n${problems.join("\n")}`);
  }
}

function doors(object: KubeObject): string[] {
  if (DOORS.includes(object.kind)) return ["opens a way in from outside the cluster"];
  if (object.kind !== "Service") return [];
  const { type = "ClusterIP", externalIPs } = (object.spec ?? {}) as { type?: string; externalIPs?: unknown[] };
  const problems = type === "ClusterIP" ? [] : [`is of type ${type}; only ClusterIP stays inside the cluster`];
  return externalIPs?.length ? [...problems, "has externalIPs"] : problems;
}

function place(object: KubeObject): string[] {
  const { namespace } = object.metadata;
  if (isNamespaced(object) && namespace !== NAMESPACE) {
    return [`must be in the namespace ${NAMESPACE}; got ${namespace ?? "none"}`];
  }
  if (object.kind === "Namespace" && object.metadata.name !== NAMESPACE) return [`must be ${NAMESPACE}`];
  const wrong = Object.entries(object.metadata.labels ?? {}).filter(([, value]) => !LABEL.test(value));
  return wrong.map(([name, value]) => `has a label that Kubernetes refuses: ${name}=${value}`);
}

const LABEL = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;

function pods(object: KubeObject): string[] {
  const spec = podSpecOf(object);
  if (!spec) return [];
  const problems: string[] = HOST_MEMBERS.filter((member) => spec[member]).map((member) => `has ${member}`);
  const volumes = (spec.volumes ?? []) as { name: string; hostPath?: unknown }[];
  problems.push(
    ...volumes.filter(({ hostPath }) => hostPath).map(({ name }) => `mounts a folder of its node: ${name}`),
  );
  for (const container of containersOf(spec)) {
    const context = (container.securityContext ?? {}) as { privileged?: boolean };
    if (context.privileged) problems.push(`has a privileged container: ${container.name}`);
    const { cpu, memory } = container.resources?.requests ?? {};
    if (!cpu || !memory) problems.push(`has a container that requests no cpu or no memory: ${container.name}`);
  }
  return problems;
}

function images(object: KubeObject, known: readonly string[]): string[] {
  return imageUses(copyOf(object))
    .filter(({ image }) => !isPinned(image) && !known.includes(image))
    .map(({ image }) => `runs an image that is not pinned: ${image}`);
}
