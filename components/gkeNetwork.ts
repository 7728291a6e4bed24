import { Subnetwork } from "@pulumi/gcp/compute/subnetwork.js";
import * as pulumi from "@pulumi/pulumi";
import { REGIONS } from "../catalog/zones.ts";
import { marked } from "./marks.ts";
import { wayOut } from "./wayOut.ts";

/** Names of the subnet's secondary ranges. */
export const RANGES = { pods: "pods", services: "services" } as const;

export interface GkeNetworkArgs {
  project: string;
  environment: string;
  region: string;
  /** The environment's VPC. */
  network: pulumi.Input<string>;
}

/**
 * A subnet for a cluster's nodes, pods and services in the environment's VPC, and their way out. A subnet of its own, not
 * ranges on the training machines': those could not be taken away before the cluster that uses them, and Pulumi changes
 * a resource before it deletes another.
 *
 * Addresses: of the region's 10.N.0.0/16, beside the training machines' 10.N.0.0/20, nodes have 10.N.16.0/22, services
 * 10.N.32.0/20 and pods 10.N.64.0/18 (256 of them for each of 64 nodes). Cost: as `Network`.
 */
export class GkeNetwork extends pulumi.ComponentResource {
  /** Self link of the VPC. */
  readonly network: pulumi.Input<string>;
  /** Self link. */
  readonly subnetwork: pulumi.Output<string>;
  /** Nodes pull no image before this is there. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: GkeNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    const octet = REGIONS[args.region]?.network;
    if (octet === undefined) {
      throw new pulumi.InputPropertyError({
        propertyPath: "region",
        reason: `is none of Google's; got ${args.region}`,
      });
    }
    super("mltraining:index:GkeNetwork", name, args, opts);
    const { project, environment, region, network } = args;
    const child = { parent: this };
    const subnetwork = new Subnetwork(
      `${name}-cluster`,
      {
        project,
        region,
        network,
        description: marked(`Nodes, pods and services of the cluster in ${region}`, environment),
        ipCidrRange: `10.${octet}.16.0/22`,
        secondaryIpRanges: [
          { rangeName: RANGES.pods, ipCidrRange: `10.${octet}.64.0/18` },
          { rangeName: RANGES.services, ipCidrRange: `10.${octet}.32.0/20` },
        ],
        privateIpGoogleAccess: true,
        // Every packet between pods would count with more: intranode visibility shows them all.
        logConfig: { aggregationInterval: "INTERVAL_10_MIN", flowSampling: 0.1, metadata: "INCLUDE_ALL_METADATA" },
      },
      child,
    );
    const description = marked(`The cluster's way out of ${region}`, environment);
    this.ready = wayOut(`${name}-cluster`, { project, region, network, subnetwork, description }, child);
    this.network = network;
    this.subnetwork = subnetwork.selfLink;
    this.registerOutputs({ subnetwork: this.subnetwork });
  }
}
