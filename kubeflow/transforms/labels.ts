import type { KubeObject } from "../objects.ts";

/** Who made an object, and for which environment. Selectors stay as they are: they cannot be changed later. */
export function withLabels(objects: readonly KubeObject[], environment: string): KubeObject[] {
  const own = { "app.kubernetes.io/managed-by": "ml-training", "mlt-environment": environment };
  return objects.map((object) => {
    const { metadata } = object;
    return { ...object, metadata: { ...metadata, labels: { ...metadata.labels, ...own } } };
  });
}
