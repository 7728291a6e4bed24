import { createRequire } from "node:module";
import type * as pulumi from "@pulumi/pulumi";

export interface KubernetesProviderArgs {
  /** Of the cluster; the one on this computer is never looked at. */
  kubeconfig: pulumi.Input<string>;
  enableServerSideApply: boolean;
}

/**
 * The library's own `Provider`. Required, not imported: what its types refer to takes the type checker minutes of
 * processor time and 1.7 GB.
 */
export const { Provider } = createRequire(import.meta.url)("@pulumi/kubernetes/provider.js") as {
  Provider: new (name: string, args: KubernetesProviderArgs, opts?: pulumi.ResourceOptions) => pulumi.ProviderResource;
};
