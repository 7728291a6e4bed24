import { stringify } from "yaml";
import { copyOf, isPlain, type KubeObject, nameOf, podSpecOf } from "../objects.ts";

/** Credentials of `gs://` artefacts: those of the pod, that is, of its Kubernetes account by Workload Identity. */
export const PROVIDERS = { gs: { default: { credentials: { fromEnv: true } } } } as const;

/**
 * Settings of Kubeflow Pipelines: artefacts go to `pipelineRoot` (`gs://BUCKET/PATH`, which may be known later) with the
 * pod's own credentials; v1 pipelines are refused, since they may contain any pod whatever; nobody runs Python of his
 * own in the UI's visualization server.
 */
export function withSettings(objects: readonly KubeObject[], pipelineRoot: unknown): KubeObject[] {
  return objects.map((object) => {
    switch (nameOf(object)) {
      case "ConfigMap kfp-launcher":
        return withData(object, { defaultPipelineRoot: pipelineRoot, providers: stringify(PROVIDERS) });
      case "ConfigMap pipeline-install-config":
        return withData(object, {
          defaultPipelineRoot: pipelineRoot,
          BLOCK_V1_PIPELINES: "true",
          // Only the cache of v1 pipelines reads it; it names an image without a tag.
          cacheImage: "",
        });
      case "Deployment ml-pipeline-ui":
        return withVariable(object, "ALLOW_CUSTOM_VISUALIZATIONS", "false");
      default:
        return object;
    }
  });
}

function withData(object: KubeObject, data: Record<string, unknown>): KubeObject {
  const before = isPlain(object.data) ? object.data : {};
  return { ...copyOf(object), data: { ...before, ...data } };
}

/** Sets a variable of the first container, whether or not it is there. */
function withVariable(object: KubeObject, name: string, value: string): KubeObject {
  const copy = copyOf(object);
  const container = podSpecOf(copy)?.containers[0];
  if (!container) return copy;
  const others = (container.env ?? []).filter((variable) => variable.name !== name);
  container.env = [...others, { name, value }];
  return copy;
}
