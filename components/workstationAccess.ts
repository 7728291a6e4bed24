import { Firewall } from "@pulumi/gcp/compute/firewall.js";
import { InstanceIAMMember } from "@pulumi/gcp/compute/instanceIAMMember.js";
import { TunnelInstanceIAMMember } from "@pulumi/gcp/iap/tunnelInstanceIAMMember.js";
import { IAMMember as AccountIAMMember } from "@pulumi/gcp/serviceaccount/iammember.js";
import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";
import { marked } from "./marks.ts";
import { memberKey } from "./names.ts";
import { IAP_RANGE } from "./sshAccess.ts";
import type { Person } from "./workstationConfig.ts";

export interface WorkstationAccessArgs {
  project: string;
  environment: string;
  zone: string;
  /** The machine's name, known once it is there. */
  instance: pulumi.Input<string>;
  network: pulumi.Input<string>;
  serviceAccount: pulumi.Input<string>;
  /** The data bucket. */
  bucket: pulumi.Input<string>;
  /** Whether SSH through Identity-Aware Proxy still has to be let in to this account's machines. */
  throughIap: boolean;
  /** IPv4 ranges that SSH may come from; empty: none but Identity-Aware Proxy. */
  sshFrom: readonly string[];
  people: readonly Person[];
}

/**
 * Who gets onto a workstation, and from where. A person gets, on this instance alone, the tunnel
 * (`iap.tunnelResourceAccessor`) and the login (`compute.osAdminLogin`, or `osLogin` without sudo), and on its service
 * account `iam.serviceAccountUser`, which OS Login demands for a machine that runs as one. They may read the data bucket,
 * as `mlt` does before it connects; on the workstation they read all of it anyway. People outside the organisation need `compute.osLoginExternalUser` there, which only it can grant. Costs nothing but the rules' logs.
 */
export class WorkstationAccess extends pulumi.ComponentResource {
  constructor(name: string, args: WorkstationAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:WorkstationAccess", name, { people: args.people, sshFrom: args.sshFrom }, opts);
    const { project, environment, zone, instance, serviceAccount } = args;
    const child = { parent: this };
    const letIn = (word: string, from: string, sourceRanges: readonly string[]): void => {
      new Firewall(
        `${name}-${word}`,
        {
          project,
          network: args.network,
          description: marked(`SSH to the workstation ${from}`, environment),
          direction: "INGRESS",
          allows: [{ protocol: "tcp", ports: ["22"] }],
          sourceRanges: [...sourceRanges],
          targetServiceAccounts: [serviceAccount],
          logConfig: { metadata: "INCLUDE_ALL_METADATA" },
        },
        child,
      );
    };
    if (args.throughIap) letIn("ssh-iap", "through Identity-Aware Proxy", [IAP_RANGE]);
    if (args.sshFrom.length > 0) letIn("ssh-from", "from named networks", args.sshFrom);

    for (const { member, sudo } of args.people) {
      const key = memberKey(member);
      const tunnel = { project, zone, instance, role: "roles/iap.tunnelResourceAccessor", member };
      new TunnelInstanceIAMMember(`${name}-tunnel-${key}`, tunnel, child);
      const role = sudo ? "roles/compute.osAdminLogin" : "roles/compute.osLogin";
      new InstanceIAMMember(`${name}-login-${key}`, { project, zone, instanceName: instance, role, member }, child);
      const account = pulumi.interpolate`projects/${project}/serviceAccounts/${serviceAccount}`;
      const use = { serviceAccountId: account, role: "roles/iam.serviceAccountUser", member };
      new AccountIAMMember(`${name}-use-${key}`, use, child);
      const read = { bucket: args.bucket, role: "roles/storage.objectViewer", member };
      new BucketIAMMember(`${name}-read-${key}`, read, child);
    }
    this.registerOutputs({});
  }
}
