import { UserError } from "../training/errors.ts";
import { type ClusterAccess, lastLine } from "./access.ts";
import { AUTH_PLUGIN, AUTH_PLUGIN_HINT } from "./kubeconfig.ts";

const UNREACHABLE =
  /Unable to connect to the server|was refused - did you specify|no such host|i\/o timeout|TLS handshake timeout|context deadline exceeded|network is unreachable|no route to host|connection refused|the server could not find the requested resource|x509:/i;

/** Whether nobody answered where the cluster should be. */
export function isUnreachable(said: string): boolean {
  return UNREACHABLE.test(said) && !/pods?\/|error forwarding port/i.test(said);
}

/** Why kubectl failed, in the user's words: what it is about, why, what to do. */
export function kubectlFailed(doing: string, said: string, code: number, access: ClusterAccess): UserError {
  const { cluster, location, project, namespace, version } = access;
  const where = `the cluster ${cluster} (${location}, project ${project})`;
  if (said.includes(AUTH_PLUGIN) && /not found|executable|no such file/i.test(said)) {
    return new UserError(`${doing} failed: kubectl does not find ${AUTH_PLUGIN}; ${AUTH_PLUGIN_HINT}`);
  }
  if (/must be logged in|Unauthorized|reauth|getting credentials/i.test(said)) {
    return new UserError(`${doing} failed: the cluster does not accept your login. Log in with: gcloud auth login`);
  }
  if (/forbidden/i.test(said)) {
    return new UserError(
      `${doing} was refused: ${lastLine(said)}\nYou need roles/container.developer in ${project}; the environment's owner grants it.`,
    );
  }
  if (/namespaces? "[^"]*" not found/i.test(said) || /services? "ml-pipeline[^"]*" not found/i.test(said)) {
    return new UserError(
      `${doing} failed: there is no Kubeflow Pipelines in ${where}, namespace ${namespace}. \`pulumi up --refresh\` installs ${version} again.`,
    );
  }
  if (/upgrading connection|unable to upgrade/i.test(said) && !said.includes("dialing backend")) {
    return new UserError(
      `${doing} failed: kubectl and the control plane do not agree on how a port is led: ${lastLine(said)}\nBy the DNS endpoint it takes WebSockets, kubectl 1.31 or newer (kubectl version --client). Newer ones: gcloud components update`,
      70,
    );
  }
  if (/unable to forward port because pod is not running|no pods|pod is not running|timed out waiting/i.test(said)) {
    return new UserError(
      `${doing} failed: nothing runs there yet. What does not start, and why: mlt kubeflow status`,
      69,
    );
  }
  if (isUnreachable(said)) {
    return new UserError(
      `${doing} failed: ${where} does not answer: ${lastLine(said)}\nCheck the network (and the proxy or VPN, if you use one). Whether the cluster is there: gcloud container clusters list --project ${project}`,
      69,
    );
  }
  return new UserError(`${doing} failed (kubectl's exit code ${code}): ${lastLine(said)}`, 70);
}
