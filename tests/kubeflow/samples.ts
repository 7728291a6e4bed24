import type { KubeflowRelease } from "../../catalog/kubeflow.ts";
import { canonicalHash } from "../../kubeflow/canonical.ts";
import type { KubeObject } from "../../kubeflow/objects.ts";

// Small objects of every kind that Kubeflow Pipelines consists of, made up for the tests: names where a transform looks
// for them, and nothing else of the real ones.

const namespace = "kubeflow";

function pod(name: string, spec: object): KubeObject {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

function simple(apiVersion: string, kind: string, name: string, rest: object = {}): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace }, ...rest };
}

const RBAC = "rbac.authorization.k8s.io/v1";

/** A new set at every call. */
export function samples(): KubeObject[] {
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels: { team: "a" } } },
    {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "toys.example.test", creationTimestamp: null },
      spec: { group: "example.test", names: { kind: "Toy", plural: "toys" }, scope: "Namespaced", versions: [] },
      status: { conditions: [] },
    },
    { apiVersion: RBAC, kind: "ClusterRole", metadata: { name: "look" }, rules: [] },
    {
      apiVersion: RBAC,
      kind: "ClusterRoleBinding",
      metadata: { name: "look" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "look" },
      subjects: [],
    },
    { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "high" }, value: 10 },
    simple("v1", "ServiceAccount", "pipeline-runner"),
    simple(RBAC, "Role", "pipeline-runner", { rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }] }),
    simple(RBAC, "RoleBinding", "pipeline-runner-binding", { roleRef: {}, subjects: [] }),
    simple("v1", "ConfigMap", "kfp-launcher", { data: { defaultPipelineRoot: "", other: "stays" } }),
    simple("v1", "ConfigMap", "pipeline-install-config", {
      data: { cacheImage: "example.test/loose", BLOCK_V1_PIPELINES: "false", defaultPipelineRoot: "" },
    }),
    simple("v1", "ConfigMap", "workflow-controller-configmap", {
      data: { executor: "imagePullPolicy: IfNotPresent\n", artifactRepository: "archiveLogs: true\n" },
    }),
    simple("v1", "Secret", "mysql-secret", { stringData: { username: "root", password: "" } }),
    simple("v1", "Secret", "mlpipeline-minio-artifact", { stringData: { accesskey: "well", secretkey: "known" } }),
    simple("v1", "Secret", "own", { stringData: { word: "kept" } }),
    simple("v1", "Service", "mysql", { spec: { ports: [{ port: 3306 }], selector: { app: "mysql" } } }),
    simple("v1", "PersistentVolumeClaim", "mysql-pv-claim", {
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "5Gi" } } },
    }),
    simple("v1", "PersistentVolumeClaim", "seaweedfs-pvc", {
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "5Gi" } } },
    }),
    simple("networking.k8s.io/v1", "NetworkPolicy", "seaweedfs", { spec: { podSelector: {} } }),
    pod("mysql", {
      containers: [
        {
          name: "mysql",
          image: "mysql:8.4",
          imagePullPolicy: "Always",
          env: [
            { name: "MYSQL_ALLOW_EMPTY_PASSWORD", value: "true" },
            { name: "TZ", value: "UTC" },
          ],
          resources: { requests: { cpu: "100m", memory: "800Mi" } },
        },
      ],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: "mysql-pv-claim" } }],
    }),
    pod("ml-pipeline", {
      initContainers: [
        { name: "wait", image: "docker.io/alpine:3.23", resources: { limits: { cpu: "1", memory: "16Mi" } } },
      ],
      containers: [
        {
          name: "server",
          image: "ghcr.io/example/server:1.2.3",
          env: [
            { name: "V2_LAUNCHER_IMAGE", value: "ghcr.io/example/launcher:1.2.3" },
            { name: "IMAGE_PULL", value: "no image" },
          ],
        },
      ],
    }),
    pod("ml-pipeline-ui", {
      containers: [
        {
          name: "ui",
          image: "ghcr.io/example/page:1.2.3",
          env: [{ name: "ALLOW_CUSTOM_VISUALIZATIONS", value: "true" }],
        },
      ],
    }),
    pod("workflow-controller", {
      containers: [
        {
          name: "controller",
          image: "quay.io/example/controller:v4.0.5",
          args: ["--executor-image", "quay.io/example/exec:v4.0.5", "--executor-image=quay.io/example/exec:v4.0.5"],
        },
      ],
    }),
    pod("cache-server", { containers: [{ name: "server", image: "example.test/loose" }] }),
  ];
}

/** A release that is just those objects. */
export const RELEASE: KubeflowRelease = {
  version: "9.9.9",
  commit: "1111111111111111111111111111111111111111",
  argo: { version: "v9.9.9", commit: "2222222222222222222222222222222222222222" },
  rendered: { sha256: canonicalHash(samples()), objects: samples().length },
  images: [
    { upstream: "mysql:8.4", pinned: "docker.io/library/mysql:8.4.11" },
    { upstream: "docker.io/alpine:3.23", pinned: "docker.io/library/alpine:3.23.5" },
    { upstream: "ghcr.io/example/server:1.2.3", pinned: "ghcr.io/example/server:1.2.3" },
  ],
};

/** The object of that kind and name. */
export function find(objects: readonly KubeObject[], kind: string, name: string): KubeObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} × ${kind} ${name}; wanted exactly one`);
  return found[0];
}
