import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { below, belowWithLists } from "../../components/kubeflowIdentity.ts";
import {
  KubeflowPipelines,
  type KubeflowPipelinesArgs,
  planKubeflowPipelines,
} from "../../components/kubeflowPipelines.ts";
import { typeToken } from "../../components/kubernetesObject.ts";
import type { KubeObject } from "../../kubeflow/objects.ts";
import { outputValue, type Recording, record } from "../helpers/record.ts";
import { RELEASE, samples } from "../kubeflow/samples.ts";

/** Without what is loose in the samples, which another test has refused. */
const MANIFESTS = samples().filter(({ metadata }) => metadata.name !== "astray");

const ARGS: KubeflowPipelinesArgs = {
  project: "my-project",
  projectNumber: "123456789012",
  environment: "mlt-dev",
  kubeconfig: "{}",
  plan: { manifests: { release: RELEASE, objects: MANIFESTS, warnings: [] }, digests: {} },
  dataBucket: "mlt-dev-data-0123abc",
  zone: "us-central1-a",
  labels: { app: "ml-training", "mlt-environment": "mlt-dev" },
};

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const NAMESPACE = "kubernetes:core/v1:Namespace";
const SECRET = "kubernetes:core/v1:Secret";
const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
const MEMBER = "gcp:storage/bucketIAMMember:BucketIAMMember";
const DISK = "gcp:compute/disk:Disk";

const make = (more: Partial<KubeflowPipelinesArgs> = {}, opts?: pulumi.ComponentResourceOptions) =>
  record(() => new KubeflowPipelines("mlt-dev", { ...ARGS, ...more }, opts));

const named = ({ resources }: Recording<unknown>) =>
  resources.filter(({ custom }) => custom).map(({ type, name }) => `${type} ${name.replace("mlt-dev-", "")}`);

test("tokens are those of the library's own classes", async () => {
  // Required, not imported: their types take the type checker minutes.
  const load = createRequire(import.meta.url);
  const own = (file: string, kind: string): object => load(`@pulumi/kubernetes/${file}.js`)[kind];
  const types: [string, string, object][] = [
    [
      "apiextensions.k8s.io/v1",
      "CustomResourceDefinition",
      own("apiextensions/v1/customResourceDefinition", "CustomResourceDefinition"),
    ],
    ["apps/v1", "Deployment", own("apps/v1/deployment", "Deployment")],
    ["v1", "Service", own("core/v1/service", "Service")],
    ["networking.k8s.io/v1", "NetworkPolicy", own("networking/v1/networkPolicy", "NetworkPolicy")],
    ["rbac.authorization.k8s.io/v1", "Role", own("rbac/v1/role", "Role")],
    [
      "admissionregistration.k8s.io/v1",
      "ValidatingAdmissionPolicy",
      own("admissionregistration/v1/validatingAdmissionPolicy", "ValidatingAdmissionPolicy"),
    ],
    ["scheduling.k8s.io/v1", "PriorityClass", own("scheduling/v1/priorityClass", "PriorityClass")],
  ];
  for (const [apiVersion, kind, ours] of types) {
    assert.equal(typeToken({ apiVersion, kind }), Reflect.get(ours, "__pulumiType"));
  }
});

test("exactly these children", async () => {
  const made = await make();
  assert.deepEqual(named(made).sort(), CHILDREN.sort());
  assert.deepEqual(made.only("pulumi:providers:kubernetes").inputs, {
    kubeconfig: "{}",
    enableServerSideApply: "true",
  });
  for (const { type, name } of made.resources.filter((resource) => resource.type.startsWith("kubernetes:"))) {
    assert.equal(made.optionsOf(type, name).provider, "mlt-dev-kubeflow", `${type} ${name}`);
  }
  assert.equal(made.result.namespace, "kubeflow");
  assert.equal(made.result.version, "9.9.9");
  assert.equal(await outputValue(made.result.pipelineRoot), "gs://mlt-dev-data-0123abc/kubeflow");
});

const SERVED = ["served-model", "served-page"];
const CHILDREN = [
  "pulumi:providers:kubernetes kubeflow",
  `${DISK} kubeflow-mysql`,
  `${DISK} kubeflow-seaweedfs`,
  `${MEMBER} kubeflow-read`,
  `${MEMBER} kubeflow-show`,
  `${MEMBER} kubeflow-write`,
  `${NAMESPACE} kubeflow`,
  "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition toys.example.test",
  "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole look",
  "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding look",
  "kubernetes:scheduling.k8s.io/v1:PriorityClass high",
  "kubernetes:core/v1:ResourceQuota no-ways-in",
  ...["deployments", "services"].flatMap((name) =>
    ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"].map(
      (kind) => `kubernetes:admissionregistration.k8s.io/v1:${kind} kubeflow-steps-${name}`,
    ),
  ),
  "kubernetes:core/v1:PersistentVolume kubeflow-mysql",
  "kubernetes:core/v1:PersistentVolume kubeflow-seaweedfs",
  "kubernetes:core/v1:PersistentVolumeClaim mysql-pv-claim",
  "kubernetes:core/v1:PersistentVolumeClaim seaweedfs-pvc",
  "kubernetes:core/v1:ServiceAccount pipeline-runner",
  "kubernetes:core/v1:ServiceAccount served-model",
  "kubernetes:rbac.authorization.k8s.io/v1:Role pipeline-runner",
  "kubernetes:rbac.authorization.k8s.io/v1:Role serve-models",
  "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding pipeline-runner-binding",
  "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding serve-models",
  "kubernetes:core/v1:ConfigMap kfp-launcher",
  "kubernetes:core/v1:ConfigMap pipeline-install-config",
  "kubernetes:core/v1:ConfigMap workflow-controller-configmap",
  `${SECRET} mlpipeline-minio-artifact`,
  `${SECRET} mysql-secret`,
  `${SECRET} own`,
  "kubernetes:core/v1:Service mysql",
  ...[
    "default-deny",
    "metadata-envoy",
    "metadata-grpc",
    "metadata-writer",
    "ml-pipeline",
    "ml-pipeline-persistenceagent",
    "ml-pipeline-scheduledworkflow",
    "ml-pipeline-ui",
    "ml-pipeline-viewer-crd",
    "ml-pipeline-visualizationserver",
    "mysql",
    "pipeline-steps",
    "seaweedfs",
    "viewers",
    "workflow-controller",
    ...SERVED,
  ].map((name) => `${POLICY} ${name}`),
  ...["ml-pipeline", "ml-pipeline-ui", "mysql", "workflow-controller"].map((name) => `${DEPLOYMENT} ${name}`),
];

test("schemas and volumes, then the namespace, then rights and policies, then what runs", async () => {
  const made = await make();
  const of = (type: string, name: string) => made.optionsOf(type, `mlt-dev-${name}`);
  const schema = of("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "toys.example.test");
  assert.deepEqual([schema.dependsOn, schema.deletedWith], [[], ""]);
  // A volume is deleted in the cluster, so that its disk is let go of before it goes.
  const volume = of("kubernetes:core/v1:PersistentVolume", "kubeflow-mysql");
  assert.deepEqual([volume.dependsOn, volume.deletedWith], [["mlt-dev-kubeflow-mysql"], ""]);

  const namespace = of(NAMESPACE, "kubeflow");
  assert.deepEqual(namespace.dependsOn, [
    "mlt-dev-high",
    "mlt-dev-kubeflow-mysql",
    "mlt-dev-kubeflow-seaweedfs",
    "mlt-dev-kubeflow-steps-deployments",
    "mlt-dev-kubeflow-steps-deployments",
    "mlt-dev-kubeflow-steps-services",
    "mlt-dev-kubeflow-steps-services",
    "mlt-dev-look",
    "mlt-dev-look",
    "mlt-dev-toys.example.test",
  ]);
  assert.equal(namespace.deletedWith, "", "the namespace goes with all that is in it");

  const policy = of(POLICY, "default-deny");
  assert.deepEqual([policy.dependsOn, policy.deletedWith], [["mlt-dev-kubeflow"], "mlt-dev-kubeflow"]);
  const binding = of("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "pipeline-runner-binding");
  assert.ok(binding.dependsOn.includes("mlt-dev-pipeline-runner"));
  const server = of(DEPLOYMENT, "ml-pipeline");
  for (const name of ["default-deny", "mysql-secret", "mysql-pv-claim", "pipeline-runner-binding", "kubeflow-write"]) {
    assert.ok(server.dependsOn.includes(`mlt-dev-${name}`), name);
  }
  assert.equal(server.deletedWith, "mlt-dev-kubeflow");
  assert.deepEqual([server.timeouts.create, server.timeouts.update], ["20m", "20m"]);
});

test("passwords are secrets of their own, made once", async () => {
  const [first, second] = [await make(), await make()];
  const data = (made: Recording<unknown>, name: string) =>
    (made.only(SECRET, `mlt-dev-${name}`).inputs as unknown as { data: Record<string, string> }).data;
  const password = Buffer.from(data(first, "mysql-secret").password ?? "", "base64").toString();
  assert.match(password, /^[0-9a-f]{48}$/);
  assert.notEqual(data(first, "mysql-secret").password, data(second, "mysql-secret").password);
  const { accesskey, secretkey } = data(first, "mlpipeline-minio-artifact");
  assert.equal(new Set([accesskey, secretkey, data(first, "mysql-secret").password]).size, 3);
  for (const name of ["mysql-secret", "mlpipeline-minio-artifact"]) {
    const { ignoreChanges, secretOutputs } = first.optionsOf(SECRET, `mlt-dev-${name}`);
    assert.deepEqual([ignoreChanges, secretOutputs], [["data"], ["data"]]);
  }
  assert.deepEqual(first.optionsOf(SECRET, "mlt-dev-own").ignoreChanges, []);
});

test("steps read the data bucket and write below the pipeline root; the page reads there; nothing else gets anything", async () => {
  const { only, ofType } = await make({ pipelinePath: "runs-of/pipelines" });
  const bucket = "mlt-dev-data-0123abc";
  const who = (account: string) =>
    `principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-project.svc.id.goog/subject/ns/kubeflow/sa/${account}`;
  const condition = (expression: string) => ({
    title: "pipeline artefacts only",
    description: "Objects below runs-of/pipelines/",
    expression,
  });
  assert.equal(ofType(MEMBER).length, 3);
  assert.deepEqual(only(MEMBER, "mlt-dev-kubeflow-read").inputs, {
    bucket,
    role: "roles/storage.objectViewer",
    member: who("pipeline-runner"),
  });
  const objects = 'resource.name.startsWith("projects/_/buckets/mlt-dev-data-0123abc/objects/runs-of/pipelines/")';
  const lists = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("runs-of/pipelines/")';
  assert.deepEqual(only(MEMBER, "mlt-dev-kubeflow-write").inputs, {
    bucket,
    role: "roles/storage.objectUser",
    member: who("pipeline-runner"),
    condition: condition(objects),
  });
  assert.deepEqual(only(MEMBER, "mlt-dev-kubeflow-show").inputs, {
    bucket,
    role: "roles/storage.objectViewer",
    member: who("ml-pipeline-ui"),
    condition: condition(`${objects} || ${lists}`),
  });
  assert.equal(below(bucket, "runs-of/pipelines"), objects);
  assert.equal(belowWithLists(bucket, "runs-of/pipelines"), `${objects} || ${lists}`);
});

test("its disks are the environment's", async () => {
  const { only, result } = await make({ diskType: "pd-standard" });
  assert.ok(result);
  assert.deepEqual(only(DISK, "mlt-dev-kubeflow-mysql").inputs, {
    project: "my-project",
    zone: "us-central1-a",
    type: "pd-standard",
    size: 20,
    description: "Kubeflow's mysql (ml-training environment mlt-dev)",
    labels: ARGS.labels,
  });
  const volume = only("kubernetes:core/v1:PersistentVolume", "mlt-dev-kubeflow-mysql").inputs as unknown as {
    spec: { csi: { volumeHandle: string } };
  };
  assert.equal(
    volume.spec.csi.volumeHandle,
    "projects/my-project/zones/us-central1-a/disks/mlt-dev-kubeflow-mysql-0123abc",
  );
  const { only: usual } = await make();
  assert.equal(usual(DISK, "mlt-dev-kubeflow-seaweedfs").inputs.type, "pd-balanced");
});

test("nothing is waited for if nobody asks for it", async () => {
  const annotation = ({ only }: Recording<unknown>, type: string, name: string) =>
    (only(type, `mlt-dev-${name}`).inputs as unknown as KubeObject).metadata.annotations?.["pulumi.com/skipAwait"];
  const [waiting, hasty] = [await make(), await make({ wait: false })];
  assert.equal(annotation(waiting, DEPLOYMENT, "mysql"), undefined);
  assert.equal(annotation(hasty, DEPLOYMENT, "mysql"), "true");
  assert.equal(annotation(hasty, "kubernetes:core/v1:PersistentVolumeClaim", "mysql-pv-claim"), "true");
});

test("digests of a lock file are what runs", async () => {
  const digest = `sha256:${"c".repeat(64)}`;
  const digests = { "docker.io/library/mysql:8.4.11": digest };
  const { only } = await make({ plan: { ...ARGS.plan, digests } });
  const { spec } = only(DEPLOYMENT, "mlt-dev-mysql").inputs as {
    spec: { template: { spec: { containers: { image: string }[] } } };
  };
  assert.equal(spec.template.spec.containers[0]?.image, `docker.io/library/mysql:8.4.11@${digest}`);
});

test("a preview of a first life knows no names yet, and plans everything", async () => {
  const unknown = await record(() => new KubeflowPipelines("mlt-dev", ARGS), { preview: true });
  assert.deepEqual(named(unknown).sort(), CHILDREN.sort());
});

test("a path that is none, and manifests that open the cluster, stop before anything is registered", async () => {
  for (const pipelinePath of ["", "/kubeflow", "kubeflow/", "a b", "../x"]) {
    await assert.rejects(make({ pipelinePath }), (error: Error) =>
      error.message.includes(
        `must be a folder's path in the bucket, such as kubeflow; got ${JSON.stringify(pipelinePath)}`,
      ),
    );
  }
  const service = { apiVersion: "v1", kind: "Service", metadata: { name: "out", namespace: "kubeflow" } };
  const objects = [...MANIFESTS, { ...service, spec: { type: "LoadBalancer" } }];
  const manifests = { ...ARGS.plan.manifests, objects };
  await assert.rejects(make({ plan: { ...ARGS.plan, manifests } }), (error) => {
    assert.ok(error instanceof pulumi.RunError);
    assert.equal(
      error.message,
      "Kubeflow cannot be installed so; of its manifests:\n  Service out is of type LoadBalancer; only ClusterIP stays inside the cluster",
    );
    return true;
  });
});

test("planning reads the manifests, tells doubts, and puts mistakes in the user's words", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-plan-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "some.json");
  writeFileSync(file, JSON.stringify(MANIFESTS));
  await record(async () => {
    const plan = await planKubeflowPipelines({ from: file });
    assert.equal(plan.manifests.objects.length, MANIFESTS.length);
    assert.equal(plan.manifests.warnings.length, 1);
    const error = await planKubeflowPipelines({ version: "0.1" }).catch((it: unknown) => it);
    assert.ok(error instanceof pulumi.RunError);
    assert.match(error.message, /^there is no release "0\.1" of Kubeflow Pipelines/);
  });
});
