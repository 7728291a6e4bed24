import type { Cloud } from "../../core/cloud.ts";
import { GoogleError } from "../../core/errors.ts";
import { type Handler, Router } from "../../core/http.ts";
import { projects } from "../resourcemanager/projects.ts";
import { addAddresses } from "./addresses.ts";
import { addBatch } from "./batch.ts";
import { addConsole } from "./console.ts";
import { Compute } from "./context.ts";
import { addDisks } from "./disks.ts";
import { addFirewalls } from "./firewalls.ts";
import { addIam } from "./iam.ts";
import { addImages } from "./images.ts";
import { addInstanceActions } from "./instanceActions.ts";
import { addInstanceAddresses } from "./instanceAddresses.ts";
import { addInstanceDisks } from "./instanceDisks.ts";
import { addInstancePolicies } from "./instancePolicies.ts";
import { addInstances } from "./instances.ts";
import type { Machines } from "./machines.ts";
import { addNetworks, addSubnetworks } from "./networks.ts";
import { addOperations } from "./operationRoutes.ts";
import { addPlaces } from "./placeRoutes.ts";
import { addProjects } from "./projects.ts";
import { isPublic } from "./publicImages.ts";
import { addResourcePolicies } from "./resourcePolicies.ts";
import { addRouters } from "./routers.ts";
import { Schedules } from "./schedules.ts";
import { addSnapshots } from "./snapshots.ts";
import { addTemplates } from "./templates.ts";

/** Compute Engine's API, v1 and beta, under `/compute/{version}/projects/{project}/…` and `/batch/compute/{version}`. */
export function computeService(cloud: Cloud, machines: Machines): Router {
  const router = new Router();
  const compute = new Compute(cloud, machines);
  const parts = [addNetworks, addSubnetworks, addFirewalls, addRouters, addAddresses, addResourcePolicies];
  const machineParts = [addImages, addSnapshots, addDisks, addTemplates, addInstances, addInstanceActions, addConsole];
  for (const add of [...parts, ...machineParts]) add(router, compute);
  for (const add of [addInstanceDisks, addInstanceAddresses, addInstancePolicies]) add(router, compute);
  for (const add of [addIam, addPlaces, addOperations, addProjects]) add(router, compute);
  for (const route of router.routes) route.handler = inKnownProject(cloud, route.handler);
  addBatch(router);
  const schedules = new Schedules(compute);
  machines.fireSchedule = (policy, what) => schedules.fire(policy, what);
  return router;
}

/** The front has looked at a request's own project; the calls of a batch come here without it. */
function inKnownProject(cloud: Cloud, handler: Handler): Handler {
  return (call) => {
    const { project = "" } = call.params;
    if (call.method === "GET" && isPublic(project) && /\/(global\/images|imageFamilyViews)(\/|$)/.test(call.path))
      return handler(call);
    const all = projects(cloud.state);
    const known = all.get(project) ?? all.values().find(({ projectNumber }) => projectNumber === project);
    if (!known) throw new GoogleError(404, "notFound", `The resource 'projects/${project}' was not found`);
    return handler(
      known.projectId === project ? call : { ...call, params: { ...call.params, project: known.projectId } },
    );
  };
}

export { metadataTree } from "./metadataTree.ts";
