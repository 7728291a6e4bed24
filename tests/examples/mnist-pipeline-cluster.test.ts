// The steps that start servers in a cluster, against a stand-in for the Kubernetes API that is as strict as it is here:
// token, certificate, server-side apply by name.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { SERVED_ACCOUNT, SERVED_BY, SERVED_PORT, servingAccess } from "../../kubeflow/servingAccess.ts";
import { createServerCertificate } from "../../localcloud/tls/certificate.ts";
import { temporaryFolder } from "../helpers/shell.ts";
import { mnistPython, runPython } from "./mnist.ts";

let python = "";
before(async () => {
  python = await mnistPython();
});

interface Thing {
  kind: string;
  metadata: { name: string; namespace: string; labels: object };
  [field: string]: unknown;
}

interface Bench {
  env: Record<string, string>;
  applied: Thing[];
  asked: string[];
}

const KINDS: Record<string, string> = { configmaps: "ConfigMap", services: "Service", deployments: "Deployment" };

/** `looks`: the Deployment's status at each look, the last for ever; `pods`: what is listed. */
async function cluster(t: TestContext, looks: object[], pods: object[] = [], refuse?: string): Promise<Bench> {
  const folder = temporaryFolder(t);
  const account = join(folder, "account");
  mkdirSync(account);
  const { key, certificate, authority } = createServerCertificate(["127.0.0.1"]);
  writeFileSync(join(account, "ca.crt"), authority);
  writeFileSync(join(account, "token"), "the-token\n");
  writeFileSync(join(account, "namespace"), "kubeflow");
  const applied: Thing[] = [];
  const asked: string[] = [];
  let looked = 0;
  const answer = async (request: IncomingMessage): Promise<[number, unknown]> => {
    const fail = (code: number, message: string): [number, unknown] => [code, { kind: "Status", code, message }];
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, headers } = request;
    const url = new URL(request.url!, "https://127.0.0.1");
    asked.push(`${method} ${url.pathname}`);
    if (headers.authorization !== "Bearer the-token") return fail(401, "Unauthorized");
    const [, group, plural = "", name] =
      /^\/(api\/v1|apis\/apps\/v1)\/namespaces\/kubeflow\/(\w+)(?:\/([\w-]+))?$/.exec(url.pathname) ?? [];
    const isApps = plural === "deployments";
    if (isApps !== (group === "apis/apps/v1")) return fail(404, "the server could not find the requested resource");
    if (method === "GET" && plural === "pods") {
      assert.equal(
        url.searchParams.get("labelSelector"),
        "app.kubernetes.io/managed-by=ml-training-pipeline,app.kubernetes.io/component=serving",
      );
      return [200, { items: pods }];
    }
    if (method === "GET" && isApps && name) {
      const made = applied.find((thing) => thing.kind === "Deployment" && thing.metadata.name === name);
      const status = looks[Math.min(looked, looks.length - 1)];
      looked += 1;
      return [200, { ...made, metadata: { ...made?.metadata, generation: 3 }, status }];
    }
    if (method !== "PATCH" || !name || !KINDS[plural]) return fail(405, `no ${method} ${plural}`);
    if (refuse === plural) return fail(403, `${plural} "${name}" is forbidden: User "system:…" cannot patch`);
    if (headers["content-type"] !== "application/apply-patch+yaml") return fail(415, "unsupported media type");
    if (!url.searchParams.get("fieldManager")) return fail(400, "fieldManager is required for apply patch");
    const thing = JSON.parse(body) as Thing;
    const { kind, metadata } = thing;
    if (kind !== KINDS[plural] || metadata.name !== name || metadata.namespace !== "kubeflow") {
      return fail(400, "the object does not fit the address");
    }
    applied.push(thing);
    return [200, kind === "Service" ? { ...thing, spec: { ...(thing.spec as object), clusterIP: "10.8.0.7" } } : thing];
  };
  const server = createServer({ key, cert: certificate }, (request, response) => {
    answer(request).then(([status, value]) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const env = {
    KUBERNETES_SERVICE_HOST: "127.0.0.1",
    KUBERNETES_SERVICE_PORT: String((server.address() as AddressInfo).port),
    MNIST_SERVICE_ACCOUNT: account,
  };
  return { env, applied, asked };
}

const START = `
import sys
from mnist import deploy
from mnist.cluster import Cluster, ClusterError
wait = Cluster.wait
Cluster.wait = lambda self, name: wait(self, name, seconds=float(sys.argv[1]), pause=0.01)
try:
    print(deploy.start("serving", {"model.npz": b"x" * int(sys.argv[2])}, ["/served/model.npz"], "example/serving:1"))
except (ClusterError, RuntimeError) as error:
    print(error)
`;
const READY = { observedGeneration: 3, replicas: 1, updatedReplicas: 1, availableReplicas: 1 };
const labels = { ...SERVED_BY, "app.kubernetes.io/component": "serving" };
const metadata = { name: "mnist-serving", namespace: "kubeflow", labels };

async function start(bench: Bench, size = 3, seconds = 30): Promise<string> {
  const { status, stdout, stderr } = await runPython(python, START, [String(seconds), String(size)], bench.env);
  assert.equal(status, 0, stderr);
  return stdout.trimEnd();
}

test("serve: a ConfigMap with the model, a ClusterIP Service, a Deployment without rights; its address when it answers", async (t) => {
  const bench = await cluster(t, [{}, { ...READY, observedGeneration: 2 }, { ...READY, replicas: 2 }, READY]);
  assert.equal(await start(bench), "http://10.8.0.7");
  const sha256 = (...parts: (string | Buffer)[]) =>
    createHash("sha256").update(Buffer.concat(parts.map((part) => Buffer.from(part))));
  const content = sha256("model.npz", sha256("xxx").digest()).digest("hex");
  const probe = {
    httpGet: { path: "/healthz", port: SERVED_PORT, httpHeaders: [{ name: "Host", value: "localhost" }] },
  };
  assert.deepEqual(bench.applied, [
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
      binaryData: { "model.npz": Buffer.from("xxx").toString("base64") },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: {
        type: "ClusterIP",
        selector: labels,
        ports: [{ name: "http", port: 80, targetPort: SERVED_PORT, protocol: "TCP" }],
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: {
            labels,
            annotations: {
              "ml-training/content": content,
            },
          },
          spec: {
            serviceAccountName: SERVED_ACCOUNT,
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 10001,
              runAsGroup: 10001,
              seccompProfile: { type: "RuntimeDefault" },
            },
            containers: [
              {
                name: "serving",
                image: "example/serving:1",
                command: ["python", "-m", "mnist.serving", "/served/model.npz", String(SERVED_PORT)],
                ports: [{ containerPort: SERVED_PORT }],
                readinessProbe: { ...probe, periodSeconds: 2 },
                livenessProbe: { ...probe, periodSeconds: 20, timeoutSeconds: 5 },
                resources: { requests: { cpu: "20m", memory: "96Mi" }, limits: { cpu: "1", memory: "256Mi" } },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ["ALL"] },
                },
                volumeMounts: [{ name: "served", mountPath: "/served", readOnly: true }],
              },
            ],
            volumes: [{ name: "served", configMap: { name: "mnist-serving" } }],
          },
        },
      },
    },
  ]);
  const deployment = "GET /apis/apps/v1/namespaces/kubeflow/deployments/mnist-serving";
  assert.equal(bench.asked.filter((line) => line === deployment).length, 4);
});

test("what is asked of the cluster is what kubeflow/servingAccess.ts grants, and no more", async (t) => {
  const bench = await cluster(t, [READY]);
  await start(bench);
  const role = servingAccess().find(({ kind }) => kind === "Role") as unknown as {
    rules: { apiGroups: string[]; resources: string[]; verbs: string[]; resourceNames?: string[] }[];
  };
  const granted = (group: string, resource: string, verb: string, name: string) =>
    role.rules.some(
      (rule) =>
        rule.apiGroups.includes(group) &&
        rule.resources.includes(resource) &&
        rule.verbs.includes(verb) &&
        (rule.resourceNames?.includes(name) ?? true),
    );
  for (const line of bench.asked) {
    const [, method, apps, resource, name] = /^(\w+) \/api(s\/apps)?\/v1\/namespaces\/kubeflow\/(\w+)\/([\w-]+)$/.exec(
      line,
    )!;
    const group = apps ? "apps" : "";
    // An apply makes what is not there.
    for (const verb of method === "PATCH" ? ["patch", "create"] : ["get"]) {
      assert.ok(granted(group, resource!, verb, name!), `${verb} ${line}`);
    }
  }
  assert.ok(!granted("", "configmaps", "patch", "kfp-launcher"));
  assert.ok(!granted("", "secrets", "get", "mlpipeline-minio-artifact"));
  assert.ok(!granted("apps", "deployments", "delete", "ml-pipeline"));
});

test("a refusal, a pod that does not start and a model too large end the step with the reason", async (t) => {
  const refused = await cluster(t, [READY], [], "services");
  assert.equal(
    await start(refused),
    'PATCH /api/v1/namespaces/kubeflow/services/mnist-serving?fieldManager=mnist-pipeline&force=true: the cluster answers 403: services "mnist-serving" is forbidden: User "system:…" cannot patch',
  );
  assert.deepEqual(
    refused.applied.map(({ kind }) => kind),
    ["ConfigMap"],
  );
  const pod = (reason: string, message: string) => ({
    status: { containerStatuses: [{ state: { waiting: { reason, message } } }] },
  });
  const pulling = await cluster(t, [{}], [pod("ImagePullBackOff", "Back-off pulling image")]);
  assert.equal(await start(pulling), "mnist-serving does not start: ImagePullBackOff: Back-off pulling image");
  const full = await cluster(
    t,
    [{}],
    [
      {
        status: {
          conditions: [
            { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes are available" },
          ],
        },
      },
      pod("ContainerCreating", ""),
    ],
  );
  assert.equal(await start(full, 3, 0.2), "mnist-serving does not start: Unschedulable: 0/1 nodes are available");
  const large = await cluster(t, [READY]);
  assert.equal(
    await start(large, 1_000_001),
    "model.npz: 1000001 bytes are more than a ConfigMap holds (1000000). Serve something this large from the bucket, by a service account of its own.",
  );
  assert.deepEqual(large.asked, []);
});

test("a step that is neither in a cluster nor run by run_local.py says so", async () => {
  const { stdout } = await runPython(python, START, ["1", "1"]);
  assert.equal(stdout, "This step starts a server: run it in a cluster, or on one machine by run_local.py.\n");
});

test("serving access: in the runs' namespace only; the model hears from the page alone, the page from nobody", () => {
  const objects = servingAccess({ namespace: "runs", runner: "someone", names: ["a"] });
  assert.deepEqual(
    objects.map(({ kind, metadata: { name, namespace } }) => [kind, name, namespace]),
    [
      ["ServiceAccount", "served-model", "runs"],
      ["Role", "serve-models", "runs"],
      ["RoleBinding", "serve-models", "runs"],
      ["NetworkPolicy", "served-model", "runs"],
      ["NetworkPolicy", "served-page", "runs"],
    ],
  );
  const [account, role, binding, model, page] = objects;
  assert.equal(account?.automountServiceAccountToken, false);
  const verbs = ["get", "update", "patch", "delete"];
  assert.deepEqual(role?.rules, [
    { apiGroups: ["apps"], resources: ["deployments"], verbs: ["create", "list"] },
    { apiGroups: ["apps"], resources: ["deployments"], verbs, resourceNames: ["a"] },
    { apiGroups: [""], resources: ["services", "configmaps"], verbs: ["create", "list"] },
    { apiGroups: [""], resources: ["services", "configmaps"], verbs, resourceNames: ["a"] },
  ]);
  assert.deepEqual(binding?.subjects, [{ kind: "ServiceAccount", name: "someone", namespace: "runs" }]);
  assert.deepEqual(binding?.roleRef, { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "serve-models" });
  const pods = (component: string) => ({
    matchLabels: { "app.kubernetes.io/managed-by": "ml-training-pipeline", "app.kubernetes.io/component": component },
  });
  const ports = [{ protocol: "TCP", port: 8080 }];
  const policyTypes = ["Ingress", "Egress"];
  assert.deepEqual(model?.spec, {
    podSelector: pods("serving"),
    policyTypes,
    ingress: [{ from: [{ podSelector: pods("web-ui") }], ports }],
    egress: [],
  });
  assert.deepEqual(page?.spec, {
    podSelector: pods("web-ui"),
    policyTypes,
    ingress: [],
    egress: [{ to: [{ podSelector: pods("serving") }], ports }],
  });
});
