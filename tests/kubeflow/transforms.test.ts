import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { fullName, isPinned, parseImage } from "../../kubeflow/imageNames.ts";
import { containersOf, copyOf, type KubeObject, podSpecOf } from "../../kubeflow/objects.ts";
import { KubeflowError } from "../../kubeflow/problem.ts";
import { checkInstallation } from "../../kubeflow/transforms/check.ts";
import { withCredentials } from "../../kubeflow/transforms/credentials.ts";
import { DROPPED, withoutDropped } from "../../kubeflow/transforms/drop.ts";
import { imageUses, pinImages } from "../../kubeflow/transforms/images.ts";
import { withLabels } from "../../kubeflow/transforms/labels.ts";
import { withPodSecurity } from "../../kubeflow/transforms/podSecurity.ts";
import { totalRequests, withRequests } from "../../kubeflow/transforms/requests.ts";
import { RUNNER_RULES, withLeastRights } from "../../kubeflow/transforms/rights.ts";
import { withSettings } from "../../kubeflow/transforms/settings.ts";
import { withVolumes } from "../../kubeflow/transforms/volumes.ts";
import { find, RELEASE, samples } from "./samples.ts";

/** Runs a transform and checks that it left what it was given alone. */
function pure(transform: (objects: KubeObject[]) => KubeObject[]): KubeObject[] {
  const given = samples();
  const before = copyOf(given);
  const result = transform(given);
  assert.deepEqual(given, before, "the transform changed what it was given");
  return result;
}

const rest = (objects: KubeObject[], ...changed: string[]) =>
  objects.filter(({ kind, metadata }) => !changed.includes(`${kind} ${metadata.name}`));

test("the samples hold an object of every kind that the release has", () => {
  const kinds = new Set(samples().map(({ kind }) => kind));
  // Counted in the rendered manifests of 2.17.0; what they have no kind of, no transform needs to know.
  assert.deepEqual([...kinds].sort(), [
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CustomResourceDefinition",
    "Deployment",
    "Namespace",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PriorityClass",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
  ]);
});

test("names of images are read as a node reads them", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const names: [string, string][] = [
    ["mysql:8.4", "docker.io/library/mysql:8.4"],
    ["docker.io/alpine:3.23", "docker.io/library/alpine:3.23"],
    ["bitnami/mysql", "docker.io/bitnami/mysql"],
    ["ghcr.io/a/b:1.2.3", "ghcr.io/a/b:1.2.3"],
    ["localhost:5000/x:1", "localhost:5000/x:1"],
    [`quay.io/a/b:v1@${digest}`, `quay.io/a/b:v1@${digest}`],
    ["no image at all", "no image at all"],
  ];
  for (const [short, long] of names) assert.equal(fullName(short), long);
  assert.deepEqual(parseImage("localhost:5000/x:1"), { registry: "localhost:5000", repository: "x", tag: "1" });
  const pinned = {
    "a:1.2.3": true,
    "a:v1.2.3-rc1": true,
    [`a@${digest}`]: true,
    "a:1.2": false,
    a: false,
    "a:latest": false,
  };
  for (const [name, is] of Object.entries(pinned)) assert.equal(isPinned(name), is, name);
});

test("every place that names an image is pinned, and only those", () => {
  const digest = `sha256:${"b".repeat(64)}`;
  const given = withoutDropped(withSettings(samples(), "gs://b/p"));
  const objects = pinImages(given, RELEASE, { "docker.io/library/mysql:8.4.11": digest });
  const images = objects.flatMap((object) => imageUses(object).map(({ where, image }) => `${where} = ${image}`));
  assert.deepEqual(images, [
    `Deployment mysql, container mysql = docker.io/library/mysql:8.4.11@${digest}`,
    "Deployment ml-pipeline, container wait = docker.io/library/alpine:3.23.5",
    "Deployment ml-pipeline, container server = ghcr.io/example/server:1.2.3",
    "Deployment ml-pipeline, container server, V2_LAUNCHER_IMAGE = ghcr.io/example/launcher:1.2.3",
    "Deployment ml-pipeline-ui, container ui = ghcr.io/example/page:1.2.3",
    "Deployment workflow-controller, container controller = quay.io/example/controller:v4.0.5",
    "Deployment workflow-controller, container controller, --executor-image = quay.io/example/exec:v4.0.5",
    "Deployment workflow-controller, container controller, --executor-image = quay.io/example/exec:v4.0.5",
  ]);
  const mysql = podSpecOf(find(objects, "Deployment", "mysql"));
  assert.equal(mysql?.containers[0]?.imagePullPolicy, "IfNotPresent");
  const server = podSpecOf(find(objects, "Deployment", "ml-pipeline"))?.containers[0];
  assert.deepEqual(server?.env?.[1], { name: "IMAGE_PULL", value: "no image" });
  // Pinning again changes nothing.
  assert.deepEqual(pinImages(objects, RELEASE, {}), objects);
});

test("an argument's image is changed where it stands", () => {
  const [controller] = samples().filter(({ metadata }) => metadata.name === "workflow-controller");
  const config = samples().find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === "workflow-controller",
  );
  assert.ok(controller && config);
  const copy = copyOf(config);
  for (const use of imageUses(copy)) use.set("quay.io/x/y:v1.0.0");
  assert.deepEqual(podSpecOf(copy)?.containers[0]?.args, [
    "--executor-image",
    "quay.io/x/y:v1.0.0",
    "--executor-image=quay.io/x/y:v1.0.0",
  ]);
});

test("what may be another image tomorrow is refused, all at once", () => {
  assert.throws(() => pinImages(samples(), RELEASE), {
    name: "KubeflowError",
    message:
      "these images may be another one tomorrow; catalog/kubeflow.ts must name a release of each, or the manifests a full one:\n" +
      "  ConfigMap pipeline-install-config, cacheImage: example.test/loose\n" +
      "  Deployment cache-server, container server: example.test/loose",
  });
});

test("containers without requests get some; what is asked for stays", () => {
  const objects = pure(withRequests);
  const requests = (name: string) =>
    containersOf(podSpecOf(find(objects, "Deployment", name))!).map(({ resources }) => resources?.requests);
  assert.deepEqual(requests("mysql"), [{ cpu: "100m", memory: "800Mi" }]);
  // A limit stands for a request that is not there.
  assert.deepEqual(requests("ml-pipeline"), [
    { cpu: "1", memory: "16Mi" },
    { cpu: "10m", memory: "64Mi" },
  ]);
  const executor = (find(objects, "ConfigMap", "workflow-controller-configmap").data as Record<string, string>)
    .executor;
  assert.deepEqual(parse(executor ?? ""), {
    imagePullPolicy: "IfNotPresent",
    resources: { requests: { cpu: "10m", memory: "64Mi" } },
  });
  // mysql 100m, the others 10m each; ml-pipeline's first container asks for a whole CPU before the others start.
  assert.deepEqual(totalRequests(objects), { milliCpu: 1130, mebibytes: 800 + 4 * 64 });
});

test("artefacts go to the pipeline root with the pod's own credentials, and v1 pipelines nowhere", () => {
  const objects = pure((given) => withSettings(given, "gs://bucket/kubeflow"));
  assert.deepEqual(find(objects, "ConfigMap", "kfp-launcher").data, {
    defaultPipelineRoot: "gs://bucket/kubeflow",
    other: "stays",
    providers: "gs:\n  default:\n    credentials:\n      fromEnv: true\n",
  });
  assert.deepEqual(find(objects, "ConfigMap", "pipeline-install-config").data, {
    cacheImage: "",
    BLOCK_V1_PIPELINES: "true",
    defaultPipelineRoot: "gs://bucket/kubeflow",
  });
  assert.deepEqual(podSpecOf(find(objects, "Deployment", "ml-pipeline-ui"))?.containers[0]?.env, [
    { name: "ALLOW_CUSTOM_VISUALIZATIONS", value: "false" },
  ]);
  const changed = ["ConfigMap kfp-launcher", "ConfigMap pipeline-install-config", "Deployment ml-pipeline-ui"];
  assert.deepEqual(rest(objects, ...changed), rest(samples(), ...changed));
});

test("an empty password and a known key give way to the installation's own", () => {
  const own = { database: "ZGI=", accessKey: "aw==", secretKey: "cw==" };
  const objects = pure((given) => withCredentials(given, own));
  const secret = (name: string) => {
    const { data, stringData, type } = find(objects, "Secret", name);
    return { data, stringData, type };
  };
  const type = "Opaque";
  assert.deepEqual(secret("mysql-secret"), {
    data: { username: "cm9vdA==", password: "ZGI=" },
    stringData: undefined,
    type,
  });
  assert.deepEqual(secret("mlpipeline-minio-artifact"), {
    data: { accesskey: "aw==", secretkey: "cw==" },
    stringData: undefined,
    type,
  });
  assert.deepEqual(secret("own"), { data: undefined, stringData: { word: "kept" }, type: undefined });
  assert.deepEqual(podSpecOf(find(objects, "Deployment", "mysql"))?.containers[0]?.env, [
    { name: "TZ", value: "UTC" },
    { name: "MYSQL_ROOT_PASSWORD", valueFrom: { secretKeyRef: { name: "mysql-secret", key: "password" } } },
  ]);
});

test("claims are bound to the program's disks", () => {
  const handles = { "mysql-pv-claim": "projects/p/zones/z/disks/a", "seaweedfs-pvc": "projects/p/zones/z/disks/b" };
  const objects = pure((given) => withVolumes(given, { zone: "us-central1-a", handles }));
  assert.deepEqual(find(objects, "PersistentVolume", "kubeflow-mysql"), {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: "kubeflow-mysql" },
    spec: {
      capacity: { storage: "20Gi" },
      volumeMode: "Filesystem",
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      storageClassName: "",
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: "kubeflow", name: "mysql-pv-claim" },
      csi: { driver: "pd.csi.storage.gke.io", volumeHandle: "projects/p/zones/z/disks/a", fsType: "ext4" },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: "topology.gke.io/zone", operator: "In", values: ["us-central1-a"] }] },
          ],
        },
      },
    },
  });
  assert.deepEqual(find(objects, "PersistentVolumeClaim", "seaweedfs-pvc").spec, {
    accessModes: ["ReadWriteOnce"],
    storageClassName: "",
    volumeMode: "Filesystem",
    volumeName: "kubeflow-seaweedfs",
    resources: { requests: { storage: "20Gi" } },
  });
  assert.equal(objects.length, samples().length + 2);
});

test("steps get the rights that they use; what calls no API gets no token", () => {
  const objects = pure(withLeastRights);
  assert.deepEqual(find(objects, "Role", "pipeline-runner").rules, RUNNER_RULES);
  const verbs = RUNNER_RULES.flatMap((rule) => [...rule.verbs] as string[]);
  const resources = RUNNER_RULES.flatMap((rule) => [...rule.resources] as string[]);
  for (const word of ["*", "pods/exec", "deployments", "services"]) {
    assert.ok(!verbs.includes(word) && !resources.includes(word), word);
  }
  const token = (name: string) => podSpecOf(find(objects, "Deployment", name))?.automountServiceAccountToken;
  assert.equal(token("mysql"), false);
  assert.equal(token("ml-pipeline"), undefined);
});

test("what is left out is left out, and what only the cluster writes is not sent", () => {
  const objects = pure(withoutDropped);
  assert.deepEqual(
    samples()
      .filter(
        ({ kind, metadata }) => !objects.some((other) => other.kind === kind && other.metadata.name === metadata.name),
      )
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ["NetworkPolicy seaweedfs", "Deployment cache-server"],
  );
  const { status, metadata } = find(objects, "CustomResourceDefinition", "toys.example.test");
  assert.deepEqual([status, metadata], [undefined, { name: "toys.example.test" }]);
  assert.equal(new Set(DROPPED).size, DROPPED.length);
});

test("the namespace takes no pod that would reach its node, whatever its manifest says; stricter stays", () => {
  const label = "pod-security.kubernetes.io/enforce";
  const objects = pure((given) => withPodSecurity(given));
  const changed = objects.filter((object, index) => JSON.stringify(object) !== JSON.stringify(samples()[index]));
  const namespace = (labels: Record<string, string>): KubeObject => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "kubeflow", labels },
  });
  assert.deepEqual(changed, [namespace({ team: "a", [label]: "baseline" })]);
  assert.deepEqual(withPodSecurity([namespace({ [label]: "privileged" })]), [namespace({ [label]: "baseline" })]);
  assert.deepEqual(withPodSecurity([namespace({ [label]: "restricted" })]), [namespace({ [label]: "restricted" })]);
});

test("labels say whose an object is; selectors stay", () => {
  const objects = pure((given) => withLabels(given, "mlt-dev"));
  const own = { "app.kubernetes.io/managed-by": "ml-training", "mlt-environment": "mlt-dev" };
  assert.deepEqual(find(objects, "Namespace", "kubeflow").metadata.labels, { team: "a", ...own });
  for (const { metadata } of objects) assert.equal(metadata.labels?.["mlt-environment"], "mlt-dev");
  const specs = (list: KubeObject[]) => list.map(({ spec }) => spec);
  assert.deepEqual(specs(objects), specs(samples()));
});

test("what would open the cluster, or a node, is refused with every reason", () => {
  const container = { name: "c", image: "a:1.2.3", resources: { requests: { cpu: "1", memory: "1Mi" } } };
  const meta = (name: string, more: object = {}) => ({ name, namespace: "kubeflow", ...more });
  const bad: KubeObject[] = [
    { apiVersion: "v1", kind: "Service", metadata: meta("out"), spec: { type: "LoadBalancer" } },
    { apiVersion: "v1", kind: "Service", metadata: meta("node"), spec: { type: "NodePort" } },
    { apiVersion: "v1", kind: "Service", metadata: meta("ip"), spec: { externalIPs: ["192.0.2.1"] } },
    { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: meta("door") },
    { apiVersion: "v1", kind: "Pod", metadata: meta("host"), spec: { hostNetwork: true, containers: [container] } },
    {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: meta("often"),
      spec: {
        jobTemplate: {
          spec: {
            template: {
              spec: {
                volumes: [{ name: "root", hostPath: { path: "/" } }],
                containers: [{ ...container, image: "a", securityContext: { privileged: true }, resources: {} }],
              },
            },
          },
        },
      },
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "astray", namespace: "default" } },
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "other" } },
    { apiVersion: "v1", kind: "ConfigMap", metadata: meta("long", { labels: { a: "x".repeat(64) } }) },
    { apiVersion: "v1", kind: "ConfigMap", metadata: meta("long") },
  ];
  assert.throws(() => checkInstallation(bad), {
    message: [
      "Kubeflow cannot be installed so; of its manifests:",
      "  Service out is of type LoadBalancer; only ClusterIP stays inside the cluster",
      "  Service node is of type NodePort; only ClusterIP stays inside the cluster",
      "  Service ip has externalIPs",
      "  Ingress door opens a way in from outside the cluster",
      "  Pod host has hostNetwork",
      "  CronJob often mounts a folder of its node: root",
      "  CronJob often has a privileged container: c",
      "  CronJob often has a container that requests no cpu or no memory: c",
      "  CronJob often runs an image that is not pinned: a",
      "  ConfigMap astray must be in the namespace kubeflow; got default",
      "  Namespace other must be kubeflow",
      `  ConfigMap long has a label that Kubernetes refuses: a=${"x".repeat(64)}`,
      "  ConfigMap long is there twice",
    ].join("\n"),
  });
  assert.throws(() => checkInstallation(bad), KubeflowError);
  checkInstallation([{ apiVersion: "v1", kind: "Pod", metadata: meta("fine"), spec: { containers: [container] } }]);
});
