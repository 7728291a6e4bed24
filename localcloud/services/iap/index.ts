import { acceptPolicy, policyFor } from "../../core/access/policy.ts";
import type { Policy, Resource } from "../../core/access.ts";
import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { rpcError } from "../../core/errors.ts";
import { type Call, Router } from "../../core/http.ts";
import { projects } from "../resourcemanager/projects.ts";

const ONE = "/iap/v1/projects/{project}/iap_tunnel/zones/{zone}/instances/{instance}";

const policies = (cloud: Cloud) => cloud.state.collection<Policy>("iap.tunnelPolicies");

/** What a tunnel to an instance is in access decisions: its own policy counts besides the project's. */
export function tunnelResource(cloud: Cloud, project: string, zone: string, instance: string): Resource {
  const number = projects(cloud.state).get(project)?.projectNumber;
  const name = `projects/${number}/iap_tunnel/zones/${zone}/instances/${instance}`;
  const policy = policies(cloud).get(name);
  return {
    service: "iap.googleapis.com",
    type: "iap.googleapis.com/TunnelInstance",
    name,
    project,
    policies: policy ? [policy] : [],
  };
}

/** A policy does not outlive its instance: one that is made later under the same name begins without. */
export function forgetTunnel(cloud: Cloud, project: string, zone: string, instance: string): void {
  policies(cloud).delete(tunnelResource(cloud, project, zone, instance).name);
}

/** Identity-Aware Proxy v1: the policies of tunnels to single instances. */
export function iapService(cloud: Cloud): Router {
  const { state, access, now } = cloud;

  /** The tunnel that a call names, its project by id or by number. */
  function target(call: Call): Resource {
    const { project = "", zone = "", instance = "" } = call.params;
    const known = projects(state)
      .values()
      .find((one) => one.projectId === project || one.projectNumber === project);
    if (!known) throw rpcError(404, "Requested entity was not found.");
    return tunnelResource(cloud, known.projectId, zone, instance);
  }

  /** That a policy needs its instance is from general knowledge. */
  function requireInstance({ project, name }: Resource): void {
    const [, zone, instance] = /zones\/([^/]+)\/instances\/(.+)$/.exec(name) ?? [];
    const there = state
      .collection<object>("compute.instances")
      .has(`projects/${project}/zones/${zone}/instances/${instance}`);
    if (!there) throw rpcError(404, "Requested entity was not found.");
  }

  const current = ({ name }: Resource): Policy => policies(cloud).get(name) ?? { version: 1, etag: "ACAB" };

  return new Router()
    .on("POST", `${ONE}:getIamPolicy`, async (call) => {
      const { options } = await readMembers<{ options?: { requestedPolicyVersion?: number } }>(call, {
        options: "object",
      });
      const resource = target(call);
      access.require(call.principal, "iap.tunnelInstances.getIamPolicy", resource);
      requireInstance(resource);
      return { json: policyFor(current(resource), options?.requestedPolicyVersion ?? 0) };
    })
    .on("POST", `${ONE}:setIamPolicy`, async (call) => {
      const { policy } = await readMembers<{ policy?: Policy; updateMask?: string }>(call, {
        policy: "object",
        updateMask: "text",
      });
      const resource = target(call);
      access.require(call.principal, "iap.tunnelInstances.setIamPolicy", resource);
      requireInstance(resource);
      if (!policy) throw rpcError(400, "Request contains an invalid argument: policy is required.");
      const accepted = acceptPolicy({
        state,
        now,
        project: resource.project,
        resource: resource.name,
        current: current(resource),
        next: policy,
        bindable: (role) => role.startsWith("roles/iap.") || role.includes("/roles/") || isBasic(role),
      });
      return { json: policies(cloud).set(resource.name, accepted) };
    })
    .on("POST", `${ONE}:testIamPermissions`, async (call) => {
      const { permissions = [] } = await readMembers<{ permissions?: string[] }>(call, { permissions: "texts" });
      const resource = target(call);
      const held = permissions.filter((permission) => access.allowed(call.principal, permission, resource));
      return { json: held.length > 0 ? { permissions: held } : {} };
    });
}

function isBasic(role: string): boolean {
  return /^roles\/(owner|editor|viewer)$/.test(role);
}
