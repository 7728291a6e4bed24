import type { Router } from "../../core/http.ts";
import { makeAccessConfig } from "./accessConfigs.ts";
import { type Compute, fingerprint, where } from "./context.ts";
import { action, begin, type Target } from "./instanceActions.ts";
import { invalid } from "./links.ts";
import { ACCESS_CONFIG } from "./shapes/machine.ts";
import type { Instance, NetworkInterface } from "./types.ts";

/** Adds what gives a machine a public address, and takes it away, while it runs. */
export function addInstanceAddresses(router: Router, compute: Compute): void {
  const save = (path: string, changed: NetworkInterface) => {
    const now = compute.get(path) as Instance;
    const { fingerprint: _old, ...content } = changed;
    const stamped = { ...content, fingerprint: fingerprint(content) } as NetworkInterface;
    const networkInterfaces = now.networkInterfaces.map((one) => (one.name === changed.name ? stamped : one));
    compute.save(path, { ...now, networkInterfaces });
    compute.machines.changed(path);
  };
  action(
    router,
    compute,
    "addAccessConfig",
    ACCESS_CONFIG,
    (target) => {
      const { call, path, instance, body } = target;
      const network = interfaceOf(target);
      if ((network.accessConfigs ?? []).length > 0) {
        throw invalid("resource", body.name, "At most one access config currently supported.");
      }
      compute.requireOn(call, "compute.subnetworks.useExternalIp", pathOfSubnet(network));
      const config = makeAccessConfig(compute, body, where(call), "resource.natIP");
      return begin(compute, call, "addAccessConfig", path, instance, () =>
        save(path, { ...network, accessConfigs: [config] }),
      );
    },
    "networkInterface",
  );
  action(
    router,
    compute,
    "deleteAccessConfig",
    {},
    (target) => {
      const { call, path, instance } = target;
      const network = interfaceOf(target);
      const wanted = call.query.get("accessConfig") ?? "";
      if (!(network.accessConfigs ?? []).some(({ name }) => name === wanted)) {
        throw invalid(
          "accessConfig",
          wanted,
          `The network interface ${network.name} has no access config of this name.`,
        );
      }
      const { accessConfigs: _gone, ...rest } = network;
      return begin(compute, call, "deleteAccessConfig", path, instance, () => save(path, rest as NetworkInterface));
    },
    "networkInterface",
    "accessConfig",
  );
}

function interfaceOf({ call, instance }: Target): NetworkInterface {
  const wanted = call.query.get("networkInterface") ?? "";
  const found = instance.networkInterfaces.find(({ name }) => name === wanted);
  if (!found) throw invalid("networkInterface", wanted, "The instance has no such network interface.");
  return found;
}

function pathOfSubnet({ subnetwork }: NetworkInterface): string {
  return subnetwork.slice(subnetwork.indexOf("projects/"));
}
