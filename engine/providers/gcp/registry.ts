import type { ResourceType } from "./resource.ts";
import { string } from "./schema.ts";
import { instanceTypes } from "./services/compute-instance.ts";
import { networkTypes } from "./services/compute-network.ts";
import { otherComputeTypes } from "./services/compute-other.ts";
import { templateTypes } from "./services/compute-template.ts";
import { containerTypes } from "./services/container.ts";
import { iamTypes } from "./services/iam.ts";
import { projectTypes } from "./services/projects.ts";
import { storageTypes } from "./services/storage.ts";

/** Almost every resource of the real provider takes it; it is the provider's own affair and never sent. */
const deletionPolicy = string({ local: true, oneOf: ["DELETE", "ABANDON", "PREVENT"] });

const types = new Map<string, ResourceType>(
  [
    ...networkTypes,
    ...templateTypes,
    ...instanceTypes,
    ...otherComputeTypes,
    ...storageTypes,
    ...iamTypes,
    ...projectTypes,
    ...containerTypes,
  ].map((type) => [type.token, { ...type, shape: { ...type.shape, deletionPolicy } }]),
);

export const knownTypes: readonly string[] = [...types.keys()].sort();

export function typeOf(token: string): ResourceType {
  const type = types.get(token);
  if (type) return type;
  throw new Error(
    `The attached gcp provider does not know the resource type ${token}. It knows: ${knownTypes.join(", ")}. ` +
      "The real provider knows every type: use it with --provider real.",
  );
}
