import { admissionRules } from "./admission.ts";
import type { Manifests } from "./manifests.ts";
import { networkPolicies } from "./networkPolicies.ts";
import type { KubeObject } from "./objects.ts";
import { servingAccess } from "./servingAccess.ts";
import { checkInstallation } from "./transforms/check.ts";
import { type Credentials, withCredentials } from "./transforms/credentials.ts";
import { withoutDropped } from "./transforms/drop.ts";
import { type Digests, pinImages } from "./transforms/images.ts";
import { withLabels } from "./transforms/labels.ts";
import { withPodSecurity } from "./transforms/podSecurity.ts";
import { withRequests } from "./transforms/requests.ts";
import { withLeastRights } from "./transforms/rights.ts";
import { withSettings } from "./transforms/settings.ts";
import { type VolumeDisks, withVolumes } from "./transforms/volumes.ts";

/** What an installation is told. Members that are `unknown` may be known later (Pulumi's outputs). */
export interface InstallationWishes {
  environment: string;
  /** `gs://BUCKET/PATH` */
  pipelineRoot: unknown;
  credentials: Credentials;
  volumes: VolumeDisks;
  /** Digests by image, from the lock file. */
  digests?: Digests;
}

/**
 * All objects of an installation, from a release's manifests: what is not needed taken out, the rest pinned, sized,
 * told where artefacts go and closed off, and what this project adds. Pure.
 *
 * @throws {KubeflowError} with every reason why they cannot be installed
 */
export function installation(
  manifests: Pick<Manifests, "release" | "objects">,
  wishes: InstallationWishes,
): KubeObject[] {
  const { release } = manifests;
  let objects: KubeObject[] = withoutDropped(manifests.objects);
  objects = withSettings(objects, wishes.pipelineRoot);
  objects = pinImages(objects, release, wishes.digests);
  objects = withRequests(objects);
  objects = withCredentials(objects, wishes.credentials);
  objects = withVolumes(objects, wishes.volumes);
  objects = withLeastRights(objects);
  objects = withPodSecurity(objects);
  const added = [...networkPolicies(), ...(servingAccess() as KubeObject[]), ...admissionRules()];
  objects = withLabels([...objects, ...added], wishes.environment);
  const known = release.images.map(({ pinned }) => pinned);
  checkInstallation(
    objects,
    known.flatMap((name) => [name, `${name}@${wishes.digests?.[name]}`]),
  );
  return objects;
}
