import { checkMembers, readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { notModelled, rpcError } from "../../core/errors.ts";
import { type Call, Router } from "../../core/http.ts";
import { projectResource } from "../resourcemanager/index.ts";
import { type Project, project } from "../resourcemanager/projects.ts";
import { CONSTRAINTS } from "./constraints.ts";

interface Rule {
  allowAll?: boolean;
  denyAll?: boolean;
  enforce?: boolean;
  values?: { allowedValues?: string[]; deniedValues?: string[] };
  parameters?: Record<string, unknown>;
}

interface OrgPolicy {
  name: string;
  spec: { etag: string; updateTime: string; rules: Rule[] };
}

const ROOT = "/orgpolicy/v2/projects/{project}/policies";

/** Organization Policy v2 of a project. There is no organization above it: what is set on the project is in force. */
export function orgPolicyService({ state, access, now }: Cloud): Router {
  const policies = state.collection<OrgPolicy>("orgpolicy.policies");

  function authorised(call: Call, permission: string): { found: Project; constraint: string; key: string } {
    const found = project(state, call.params.project ?? "");
    access.require(call.principal, permission, { ...projectResource(found), service: "orgpolicy.googleapis.com" });
    const constraint = call.params.policy ?? "";
    if (call.params.policy !== undefined && !CONSTRAINTS[constraint]) throw notModelled(`the constraint ${constraint}`);
    return { found, constraint, key: `${found.projectId}/${constraint}` };
  }

  async function write(call: Call, key: string, constraint: string, found: Project): Promise<OrgPolicy> {
    const { spec = {} } = await readMembers<{ name?: string; spec?: object; etag?: string }>(call, {
      name: "text",
      spec: "object",
      etag: "text",
    });
    const { rules = [] } = checkMembers<{ rules?: Rule[]; etag?: string; updateTime?: string }>(spec, "spec", {
      rules: "objects",
      etag: "text",
      updateTime: "text",
    });
    for (const rule of rules) {
      checkMembers<Rule>(rule, "spec.rules", {
        allowAll: "truth",
        denyAll: "truth",
        enforce: "truth",
        values: "object",
        parameters: "object",
      });
      const isSwitch = rule.enforce !== undefined;
      if (isSwitch !== (CONSTRAINTS[constraint] === "boolean")) {
        throw rpcError(
          400,
          `The rules of constraints/${constraint} are those of a ${CONSTRAINTS[constraint]} constraint.`,
        );
      }
    }
    const spoken = { etag: String(now()), updateTime: new Date(now()).toISOString(), rules };
    return policies.set(key, { name: `projects/${found.projectNumber}/policies/${constraint}`, spec: spoken });
  }

  return new Router()
    .on("GET", `${ROOT}/{policy}:getEffectivePolicy`, (call) => {
      const { found, constraint, key } = authorised(call, "orgpolicy.policy.get");
      const none: Rule = CONSTRAINTS[constraint] === "list" ? { allowAll: true } : { enforce: false };
      const { rules } = policies.get(key)?.spec ?? { rules: [none] };
      return { json: { name: `projects/${found.projectNumber}/policies/${constraint}`, spec: { rules } } };
    })
    .on("GET", `${ROOT}/{policy}`, (call) => {
      const { key, constraint } = authorised(call, "orgpolicy.policy.get");
      const policy = policies.get(key);
      if (!policy) throw rpcError(404, `Policy for constraint constraints/${constraint} was not found.`);
      return { json: policy };
    })
    .on("PATCH", `${ROOT}/{policy}`, async (call) => {
      const { found, constraint, key } = authorised(call, "orgpolicy.policies.update");
      return { json: await write(call, key, constraint, found) };
    })
    .on("DELETE", `${ROOT}/{policy}`, (call) => {
      const { key, constraint } = authorised(call, "orgpolicy.policies.delete");
      if (!policies.delete(key)) throw rpcError(404, `Policy for constraint constraints/${constraint} was not found.`);
      return { json: {} };
    });
}
