import { findProgram } from "../training/auth.ts";
import { Problems } from "../training/errors.ts";
import { findGcloud, INSTALL_GCLOUD, type Program } from "../workstation/gcloud.ts";
import { AUTH_PLUGIN, AUTH_PLUGIN_HINT } from "./kubeconfig.ts";

/** The programs by which this computer reaches a cluster. */
export interface ClusterTools {
  gcloud: Program;
  /** kubectl's file. */
  kubectl: string;
}

const KUBECTL_HINT =
  "install it with: gcloud components install kubectl (where gcloud came from apt: sudo apt-get install kubectl)";

/** @throws Problems with all that is not installed */
export function findClusterTools(find: (name: string) => string | undefined = findProgram): ClusterTools {
  const kubectl = find("kubectl");
  const problems = [
    ...(find("gcloud") ? [] : [`gcloud is missing, which knows the cluster's address; install it: ${INSTALL_GCLOUD}`]),
    ...(find(AUTH_PLUGIN) ? [] : [`${AUTH_PLUGIN} is missing, by which kubectl logs in; ${AUTH_PLUGIN_HINT}`]),
    ...(kubectl ? [] : [`kubectl is missing, which leads to the cluster; ${KUBECTL_HINT}`]),
  ];
  if (problems.length > 0 || !kubectl) throw new Problems("This computer cannot reach a cluster", problems);
  return { gcloud: findGcloud(find), kubectl };
}
