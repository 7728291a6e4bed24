// Kubernetes objects as plain values. A leaf may be a value that is known later (the program puts Pulumi's outputs
// there), so nothing here reads more of an object than it has to.

/** An object as the cluster is sent it. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  [field: string]: unknown;
}

export type Container = {
  name: string;
  image?: string;
  args?: string[];
  env?: { name: string; value?: unknown; valueFrom?: unknown }[];
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  [field: string]: unknown;
};

export interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
  serviceAccountName?: string;
  [field: string]: unknown;
}

/** The namespace that Kubeflow Pipelines is in. Its manifests name it in many places; it cannot be another. */
export const NAMESPACE = "kubeflow";

/** Kinds without a namespace, of those that an installation may hold. */
const CLUSTER_KINDS: readonly string[] = [
  "Namespace",
  "CustomResourceDefinition",
  "ClusterRole",
  "ClusterRoleBinding",
  "PriorityClass",
  "StorageClass",
  "PersistentVolume",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
];

export function isNamespaced(object: KubeObject): boolean {
  return !CLUSTER_KINDS.includes(object.kind);
}

/** `Deployment mysql`: how messages name an object. */
export function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.name}`;
}

/** Where a kind keeps its pod's description; `undefined` for kinds without one. */
export function podSpecOf(object: KubeObject): PodSpec | undefined {
  const spec = object.spec as Record<string, unknown> | undefined;
  if (object.kind === "Pod") return spec as PodSpec | undefined;
  const template = (object.kind === "CronJob" ? member(member(spec, "jobTemplate"), "spec") : spec)?.template;
  return (template as { spec?: PodSpec } | undefined)?.spec;
}

export function containersOf(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

/** A copy whose pod description is changed by `change`, which may alter the copy in place; without one, the object. */
export function withPodSpec(object: KubeObject, change: (spec: PodSpec) => void): KubeObject {
  if (!podSpecOf(object)) return object;
  const copy = copyOf(object);
  change(podSpecOf(copy) as PodSpec);
  return copy;
}

/** A deep copy of arrays and plain objects. Anything else (an output, a date) is kept as it is. */
export function copyOf<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copyOf) as T;
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)])) as T;
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== "object") return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function member(value: Record<string, unknown> | undefined, key: string): Record<string, unknown> | undefined {
  return value?.[key] as Record<string, unknown> | undefined;
}
