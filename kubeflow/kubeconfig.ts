/** A cluster as clients on other machines reach it. */
export interface ClusterAddress {
  /** As it is called in the kubeconfig; any text. */
  name: string;
  /** Host name of the control plane's DNS endpoint, such as `gke-1a2b3c-123456789012.us-central1.gke.goog`. */
  endpoint: string;
  /** Base64 of a PEM. The DNS endpoint has a certificate that every system trusts: leave it away for that one. */
  certificateAuthority?: string;
}

/** Program that asks gcloud for a token at every call. */
export const AUTH_PLUGIN = "gke-gcloud-auth-plugin";

/** How to get it, in one line. */
export const AUTH_PLUGIN_HINT =
  "install it with: gcloud components install gke-gcloud-auth-plugin (where gcloud came from apt: " +
  "sudo apt-get install google-cloud-cli-gke-gcloud-auth-plugin)";

/**
 * A kubeconfig for a GKE cluster, as JSON, which every reader of kubeconfigs takes. It holds no token and no time: the
 * same cluster gives the same text, so that no preview finds a change in it.
 */
export function kubeconfig({ name, endpoint, certificateAuthority }: ClusterAddress): string {
  const host = endpoint.replace(/^https:\/\//, "");
  if (!/^[A-Za-z0-9.-]+(:\d+)?$/.test(host)) {
    throw new Error(`A control plane's endpoint is a host name; got ${JSON.stringify(endpoint)}`);
  }
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name,
        cluster: {
          server: `https://${host}`,
          ...(certificateAuthority ? { "certificate-authority-data": certificateAuthority } : {}),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
    preferences: {},
    users: [
      {
        name,
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1beta1",
            command: AUTH_PLUGIN,
            installHint: AUTH_PLUGIN_HINT,
            interactiveMode: "Never",
            provideClusterInfo: true,
          },
        },
      },
    ],
  });
}
