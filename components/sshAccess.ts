import { Firewall } from "@pulumi/gcp/compute/firewall.js";
import * as pulumi from "@pulumi/pulumi";
import { marked } from "./marks.ts";

/** Where Identity-Aware Proxy's TCP forwarding comes from: cloud.google.com/iap/docs/using-tcp-forwarding */
export const IAP_RANGE = "35.235.240.0/20";

export interface SshAccessArgs {
  project: string;
  /** Whose stack makes the rules. */
  environment: string;
  network: pulumi.Input<string>;
  /** Service accounts whose machines take SSH, by environment. */
  targets: Readonly<Record<string, pulumi.Input<string>>>;
}

/**
 * SSH through Identity-Aware Proxy and from nowhere else, to machines that run as one of the named service accounts. Who
 * may come is decided by IAM (IAP tunnel, OS Login). Costs nothing but the rules' logs.
 */
export class SshAccess extends pulumi.ComponentResource {
  constructor(name: string, args: SshAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:SshAccess", name, args, opts);
    for (const [key, target] of Object.entries(args.targets)) {
      new Firewall(
        `${name}-ssh-${key}`,
        {
          project: args.project,
          network: args.network,
          description: marked(`SSH to the machines of ${key} through Identity-Aware Proxy`, args.environment, key),
          direction: "INGRESS",
          allows: [{ protocol: "tcp", ports: ["22"] }],
          sourceRanges: [IAP_RANGE],
          // One rule per environment: Google takes ten accounts per rule, and nobody's rule changes with another's.
          targetServiceAccounts: [target],
          logConfig: { metadata: "INCLUDE_ALL_METADATA" },
        },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}
