import { acceptPolicy, policyFor } from "../../core/access/policy.ts";
import { PROJECT_POLICIES, projectPolicy } from "../../core/access/records.ts";
import type { Policy, Resource } from "../../core/access.ts";
import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { type Call, type Reply, Router } from "../../core/http.ts";
import { organizations, type Project, project, projects } from "./projects.ts";

/** Cloud Resource Manager v1 and v3, as far as projects and their policies go. */
export function resourceManagerService(cloud: Cloud): Router {
  const { state, access } = cloud;

  function authorised(call: Call, permission: string): Project {
    const found = project(state, call.params.project ?? "");
    access.require(call.principal, permission, projectResource(found));
    return found;
  }

  function getPolicy(call: Call, requested: number): Reply {
    const { projectId } = authorised(call, "resourcemanager.projects.getIamPolicy");
    return { json: policyFor(projectPolicy(state, projectId), requested) };
  }

  async function readPolicy(call: Call): Promise<Reply> {
    const { options } = await readMembers<{ options?: { requestedPolicyVersion?: number } }>(call, {
      options: "object",
    });
    return getPolicy(call, options?.requestedPolicyVersion ?? 0);
  }

  async function writePolicy(call: Call): Promise<Reply> {
    const { projectId } = authorised(call, "resourcemanager.projects.setIamPolicy");
    const { policy = {} } = await readMembers<{ policy?: Policy; updateMask?: string }>(call, {
      policy: "object",
      updateMask: "text",
    });
    const accepted = acceptPolicy({
      state,
      now: cloud.now,
      project: projectId,
      resource: `projects/${projectId}`,
      current: projectPolicy(state, projectId),
      next: policy,
    });
    return { json: state.collection<Policy>(PROJECT_POLICIES).set(projectId, accepted) };
  }

  async function testPermissions(call: Call): Promise<Reply> {
    const found = project(state, call.params.project ?? "");
    const { permissions = [] } = await readMembers<{ permissions?: string[] }>(call, { permissions: "texts" });
    const held = permissions.filter((each) => access.allowed(call.principal, each, projectResource(found)));
    return { json: held.length > 0 ? { permissions: held } : {} };
  }

  const visible = (call: Call): Project[] =>
    projects(state)
      .values()
      .filter((each) => access.allowed(call.principal, "resourcemanager.projects.get", projectResource(each)));

  const router = new Router()
    .on("GET", "/crm/v1/projects/{project}", (call) => ({ json: v1(authorised(call, "resourcemanager.projects.get")) }))
    .on("GET", "/crm/v3/projects/{project}", (call) => ({ json: v3(authorised(call, "resourcemanager.projects.get")) }))
    .on("GET", "/crm/v1/projects", (call) => ({ json: { projects: visible(call).map(v1) } }))
    .on("GET", "/crm/v3/projects:search", (call) => ({ json: { projects: visible(call).map(v3) } }));
  // From the project upwards. The operator puts a project into an organization; there are no folders.
  router.on("POST", "/crm/v1/projects/{project}:getAncestry", async (call) => {
    const found = authorised(call, "resourcemanager.projects.get");
    await readMembers<Record<string, never>>(call, {});
    const organization = organizations(state).get(found.projectId);
    const above = organization ? [{ resourceId: { type: "organization", id: organization } }] : [];
    return { json: { ancestor: [{ resourceId: { type: "project", id: found.projectId } }, ...above] } };
  });
  for (const version of ["v1", "v3"]) {
    router
      .on("POST", `/crm/${version}/projects/{project}:getIamPolicy`, readPolicy)
      .on("POST", `/crm/${version}/projects/{project}:setIamPolicy`, writePolicy)
      .on("POST", `/crm/${version}/projects/{project}:testIamPermissions`, testPermissions);
  }
  return router;
}

export function projectResource({ projectId, projectNumber }: Project): Resource {
  return {
    service: "cloudresourcemanager.googleapis.com",
    type: "cloudresourcemanager.googleapis.com/Project",
    name: `projects/${projectNumber}`,
    project: projectId,
  };
}

function v1({ projectId, projectNumber, name, createTime, labels }: Project): unknown {
  return { projectNumber, projectId, lifecycleState: "ACTIVE", name, createTime, labels };
}

function v3({ projectId, projectNumber, name, createTime, labels }: Project): unknown {
  return {
    name: `projects/${projectNumber}`,
    projectId,
    state: "ACTIVE",
    displayName: name,
    createTime,
    updateTime: createTime,
    etag: `W/"${projectNumber}"`,
    labels,
  };
}
