import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { rpcError } from "../../core/errors.ts";
import { type Call, Router } from "../../core/http.ts";
import { projectResource } from "../resourcemanager/index.ts";
import { type Project, project } from "../resourcemanager/projects.ts";

/** What every new project here is billed to. */
export const LOCAL_ACCOUNT = "billingAccounts/000000-000000-000000";

/** Cloud Billing v1: a project's billing info, to read and to change. */
export function cloudBillingService({ state, access }: Cloud): Router {
  const accounts = state.collection<string>("cloudbilling.accounts");

  function authorised(call: Call, permission: string): Project {
    const found = project(state, call.params.project ?? "");
    access.require(call.principal, permission, { ...projectResource(found), service: "cloudbilling.googleapis.com" });
    return found;
  }

  function info({ projectId }: Project): Record<string, unknown> {
    const account = accounts.get(projectId) ?? LOCAL_ACCOUNT;
    return {
      name: `projects/${projectId}/billingInfo`,
      projectId,
      ...(account ? { billingAccountName: account } : {}),
      billingEnabled: account !== "",
    };
  }

  return new Router()
    .on("GET", "/billing/v1/projects/{project}/billingInfo", (call) => ({
      json: info(authorised(call, "resourcemanager.projects.get")),
    }))
    .on("PUT", "/billing/v1/projects/{project}/billingInfo", async (call) => {
      const { billingAccountName = "" } = await readMembers<{
        name?: string;
        projectId?: string;
        billingAccountName?: string;
        billingEnabled?: boolean;
      }>(call, { name: "text", projectId: "text", billingAccountName: "text", billingEnabled: "truth" });
      if (billingAccountName !== "" && !/^billingAccounts\/[0-9A-F]{6}(-[0-9A-F]{6}){2}$/.test(billingAccountName)) {
        throw rpcError(400, `Invalid billing account name: ${JSON.stringify(billingAccountName)}.`);
      }
      const verb = billingAccountName === "" ? "delete" : "create";
      const found = authorised(call, `resourcemanager.projects.${verb}BillingAssignment`);
      accounts.set(found.projectId, billingAccountName);
      return { json: info(found) };
    });
}
