import { serviceAccount } from "../../core/access/records.ts";
import type { Cloud } from "../../core/cloud.ts";
import { GoogleError } from "../../core/errors.ts";
import type { MetadataServerOptions } from "../../metadata/server.ts";
import { loginProfiles } from "../oslogin/users.ts";
import { split } from "./links.ts";
import type { Machines } from "./machines.ts";
import type { Instance } from "./types.ts";

/** What the metadata server of one machine asks of the cloud; it answers nothing for a later machine of the same name. */
export function machineMetadata(machines: Machines, cloud: Cloud, path: string, id: string): MetadataServerOptions {
  const instance = (): Instance => {
    const found = cloud.state.collection<Instance>("compute.instances").get(path);
    if (found?.id !== id) throw new GoogleError(404, "notFound", "The machine is gone.");
    return found;
  };
  return {
    tree: () => machines.tree(path, instance()),
    meet: (request) => cloud.faults.meet({ service: "metadata", machine: split(path).name, ...request }),
    onChange: (listener) => machines.onChange(path, listener),
    issueToken: (account) => {
      const accounts = instance().serviceAccounts ?? [];
      const found = account === "default" ? accounts[0] : accounts.find(({ email }) => email === account);
      if (!found) throw new GoogleError(404, "notFound", `The machine has no service account ${account}.`);
      const uniqueId = serviceAccount(cloud.state, found.email)?.uniqueId;
      return cloud.tokens.issue({ kind: "serviceAccount", email: found.email, uniqueId });
    },
    osLogin: loginProfiles(cloud, path),
    putGuestAttribute: (namespace, key, value) => {
      if (instance() && !machines.guestAttributesOn(path)) {
        throw new GoogleError(403, "forbidden", "Guest attributes endpoint access is disabled.");
      }
      const all = machines.guestAttributes(path);
      machines.setGuestAttributes(path, { ...all, [namespace]: { ...all[namespace], [key]: value } });
    },
  };
}
