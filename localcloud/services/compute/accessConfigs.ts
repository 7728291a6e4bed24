import { externalAddress } from "./addresses.ts";
import type { Compute, Where } from "./context.ts";
import { invalid, lastPart, pathOf, regionOf, split } from "./links.ts";
import { inUse } from "./networks.ts";
import type { Json } from "./schema.ts";
import type { Instance } from "./types.ts";

/** A machine's public address: a reserved one of its region that nobody has, or one for as long as it runs. */
export function makeAccessConfig(compute: Compute, given: Json, at: Where, field: string) {
  const natIP = given.natIP === undefined ? externalAddress(compute, at.project) : reserved(compute, given, at, field);
  const defaults = { name: "External NAT", type: "ONE_TO_ONE_NAT", networkTier: "PREMIUM" };
  return { kind: "compute#accessConfig", ...defaults, ...given, natIP };
}

function reserved(compute: Compute, { natIP }: Json, at: Where, field: string): string {
  const region = `regions/${regionOf(lastPart(at.place))}`;
  const found = compute.list("addresses", `projects/${at.project}/`).find(([path, thing]) => {
    return split(path).place === region && thing.address === natIP && thing.addressType === "EXTERNAL";
  });
  if (!found) throw invalid(field, natIP, "The specified external IP address was not found in the region.");
  const user = (compute.records("instances").values() as Instance[]).find(({ networkInterfaces }) =>
    networkInterfaces.some(({ accessConfigs }) => (accessConfigs ?? []).some((config) => config.natIP === natIP)),
  );
  if (user) throw inUse("address", found[0], pathOf(user.selfLink));
  return String(natIP);
}
