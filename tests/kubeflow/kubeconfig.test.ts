import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { findAuthPlugin } from "../../kubeflow/authPlugin.ts";
import { AUTH_PLUGIN_HINT, kubeconfig } from "../../kubeflow/kubeconfig.ts";

const address = { name: "mlt-dev-kubeflow", endpoint: "gke-1-2.us-central1.gke.goog" };

test("one cluster, one context, a plugin that asks for a token when one is needed", () => {
  assert.deepEqual(JSON.parse(kubeconfig(address)), {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "mlt-dev-kubeflow", cluster: { server: "https://gke-1-2.us-central1.gke.goog" } }],
    contexts: [{ name: "mlt-dev-kubeflow", context: { cluster: "mlt-dev-kubeflow", user: "mlt-dev-kubeflow" } }],
    "current-context": "mlt-dev-kubeflow",
    preferences: {},
    users: [
      {
        name: "mlt-dev-kubeflow",
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1beta1",
            command: "gke-gcloud-auth-plugin",
            installHint: AUTH_PLUGIN_HINT,
            interactiveMode: "Never",
            provideClusterInfo: true,
          },
        },
      },
    ],
  });
});

test("the same cluster gives the same text, and no token is in it", () => {
  assert.equal(kubeconfig(address), kubeconfig({ ...address, endpoint: `https://${address.endpoint}` }));
  assert.doesNotMatch(kubeconfig(address), /"token"|"password"|"client-key/);
});

test("a certificate is named where the endpoint needs one", () => {
  const { clusters } = JSON.parse(kubeconfig({ ...address, certificateAuthority: "Q0E=" }));
  assert.deepEqual(clusters[0].cluster, {
    server: "https://gke-1-2.us-central1.gke.goog",
    "certificate-authority-data": "Q0E=",
  });
});

test("what is no host name is refused", () => {
  for (const endpoint of ["", "http://x/y", "a b"]) {
    assert.throws(() => kubeconfig({ ...address, endpoint }), {
      message: `A control plane's endpoint is a host name; got ${JSON.stringify(endpoint)}`,
    });
  }
});

test("the plugin is found by the PATH, in its order; a file that is no program is not it", () => {
  const [first, second] = [mkdtempSync(join(tmpdir(), "mlt-a-")), mkdtempSync(join(tmpdir(), "mlt-b-"))];
  try {
    const program = process.platform === "win32" ? "gke-gcloud-auth-plugin.EXE" : "gke-gcloud-auth-plugin";
    writeFileSync(join(first, program), "");
    chmodSync(join(first, program), 0o644);
    writeFileSync(join(second, program), "#!/bin/sh\n");
    chmodSync(join(second, program), 0o755);
    const PATH = ["", first, second].join(delimiter);
    assert.equal(findAuthPlugin({ PATH }), join(process.platform === "win32" ? first : second, program));
    assert.equal(findAuthPlugin({ PATH: join(first, "none") }), undefined);
    assert.equal(findAuthPlugin({}), undefined);
  } finally {
    for (const folder of [first, second]) rmSync(folder, { recursive: true, force: true });
  }
});
