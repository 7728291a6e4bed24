import type { Call, Reply, Router } from "../../core/http.ts";
import { allowQuery } from "./collection.ts";
import { type Compute, requireFingerprint, userOf, where } from "./context.ts";
import { defaultServiceAccount, stampMetadata } from "./instanceBuild.ts";
import { link } from "./links.ts";
import { quotasOf } from "./quotas.ts";
import { requireMetadata } from "./rules.ts";
import { readBody } from "./schema.ts";
import { METADATA } from "./shapes/machine.ts";
import type { Metadata } from "./types.ts";

const ROOT = "/compute/{version}/projects/{project}";

export function addProjects(router: Router, compute: Compute): void {
  const metadata = compute.cloud.state.collection<Metadata>("compute.projectMetadata");
  router.on("GET", ROOT, (call) => {
    allowQuery(call);
    const { project } = where(call);
    compute.requireOnProject(call, "compute.projects.get", project);
    return {
      json: {
        kind: "compute#project",
        id: compute.number(project),
        creationTimestamp: "2020-01-01T00:00:00.000Z",
        name: project,
        selfLink: link(`projects/${project}`),
        commonInstanceMetadata: metadata.get(project) ?? stampMetadata(undefined),
        defaultServiceAccount: defaultServiceAccount(compute, project),
        defaultNetworkTier: "PREMIUM",
        xpnProjectStatus: "UNSPECIFIED_XPN_PROJECT_STATUS",
        vmDnsSetting: "ZONAL_ONLY",
        quotas: quotasOf(compute.cloud.state, project),
      },
    };
  });
  router.on("POST", `${ROOT}/setCommonInstanceMetadata`, async (call: Call): Promise<Reply> => {
    allowQuery(call, "requestId");
    const { project } = where(call);
    const body = readBody(METADATA, await call.json());
    compute.requireOnProject(call, "compute.projects.setCommonInstanceMetadata", project);
    const current = metadata.get(project) ?? stampMetadata(undefined);
    requireFingerprint(
      current.fingerprint,
      body.fingerprint,
      "Supplied fingerprint does not match current metadata fingerprint.",
    );
    requireMetadata(body.items);
    const operation = compute.operations.start({
      project,
      place: "global",
      type: "compute.projects.setCommonInstanceMetadata",
      target: `projects/${project}`,
      targetId: compute.number(project),
      user: userOf(call.principal),
      run: () => {
        metadata.set(project, stampMetadata(body));
        compute.machines.changedProject(project);
      },
    });
    return { json: operation };
  });
}
