import { Network as Vpc } from "@pulumi/gcp/compute/network.js";
import { Subnetwork } from "@pulumi/gcp/compute/subnetwork.js";
import * as pulumi from "@pulumi/pulumi";
import { REGIONS } from "../catalog/zones.ts";
import { marked } from "./marks.ts";
import { wayOut } from "./wayOut.ts";

export interface NetworkArgs {
  project: string;
  environment: string;
  /** Each gets a subnet and a NAT. */
  regions: readonly string[];
}

/**
 * An own VPC, never the project's default network. Machines have no address of their own: they go out through Cloud NAT
 * and reach Google's APIs privately. Nothing comes in: `SshAccess` opens the one door there is.
 *
 * Cost: Cloud NAT bills about $0.0014 per hour and machine, plus $0.045 per GB that passes; flow logs bill by volume
 * over 50 GB a month. Google's APIs, Cloud Storage among them, do not pass the NAT. Nothing runs, nothing is billed.
 */
export class Network extends pulumi.ComponentResource {
  readonly network: pulumi.Output<string>;
  /** The provider's automatic name; its random part stays as long as the network. */
  readonly networkName: pulumi.Output<string>;
  /** Self links, by region. */
  readonly subnetworks: Readonly<Record<string, pulumi.Output<string>>>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    const wrong = args.regions.filter((region, index) => !REGIONS[region] || args.regions.indexOf(region) !== index);
    if (args.regions.length === 0 || wrong.length > 0) {
      throw new pulumi.InputPropertyError({
        propertyPath: "regions",
        reason: `must be regions of Google's, each once; got ${args.regions.join(", ") || "none"}`,
      });
    }
    super("mltraining:index:Network", name, args, opts);
    const { project, environment } = args;

    const vpc = new Vpc(
      name,
      {
        project,
        description: marked("Training machines", environment),
        autoCreateSubnetworks: false,
        routingMode: "REGIONAL",
      },
      { parent: this },
    );
    this.network = vpc.selfLink;
    this.networkName = vpc.name;
    this.subnetworks = Object.fromEntries(
      args.regions.map((region) => [region, this.#region(name, region, vpc, args)]),
    );

    this.registerOutputs({ network: this.network, subnetworks: this.subnetworks });
  }

  /** A region's subnet and its way out. */
  #region(name: string, region: string, vpc: Vpc, { project, environment }: NetworkArgs): pulumi.Output<string> {
    const child = { parent: this };
    const subnetwork = new Subnetwork(
      `${name}-${region}`,
      {
        project,
        region,
        network: vpc.selfLink,
        description: marked(`Training machines in ${region}`, environment),
        ipCidrRange: `10.${REGIONS[region]?.network}.0.0/20`,
        privateIpGoogleAccess: true,
        logConfig: { aggregationInterval: "INTERVAL_10_MIN", flowSampling: 0.5, metadata: "INCLUDE_ALL_METADATA" },
      },
      child,
    );
    const description = marked(`The way out of ${region}`, environment);
    wayOut(`${name}-${region}`, { project, region, network: vpc.selfLink, subnetwork, description }, child);
    return subnetwork.selfLink;
  }
}
