import { Router } from "@pulumi/gcp/compute/router.js";
import { RouterNat } from "@pulumi/gcp/compute/routerNat.js";
import type { Subnetwork } from "@pulumi/gcp/compute/subnetwork.js";
import type * as pulumi from "@pulumi/pulumi";

export interface WayOutArgs {
  project: string;
  region: string;
  /** Self link of the VPC. */
  network: pulumi.Input<string>;
  /** Nobody else's machines go this way. */
  subnetwork: Subnetwork;
  /** The router's; a NAT has none. */
  description: string;
}

/** Cloud NAT for one subnet, whose machines have no address of their own. */
export function wayOut(name: string, args: WayOutArgs, opts: pulumi.CustomResourceOptions): RouterNat {
  const { project, region, network, subnetwork, description } = args;
  const router = new Router(name, { project, region, network, description }, opts);
  return new RouterNat(
    name,
    {
      project,
      region,
      router: router.name,
      natIpAllocateOption: "AUTO_ONLY",
      sourceSubnetworkIpRangesToNat: "LIST_OF_SUBNETWORKS",
      subnetworks: [{ name: subnetwork.selfLink, sourceIpRangesToNats: ["ALL_IP_RANGES"] }],
      logConfig: { enable: true, filter: "ERRORS_ONLY" },
    },
    opts,
  );
}
