import { randomInt } from "node:crypto";
import { acceptPolicy, newEtag, policyFor } from "../../core/access/policy.ts";
import { ACCOUNTS, type ServiceAccount } from "../../core/access/records.ts";
import type { Policy, Resource } from "../../core/access.ts";
import { checkMembers, readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { rpcError } from "../../core/errors.ts";
import { type Call, type Reply, Router } from "../../core/http.ts";
import type { State } from "../../core/state.ts";
import { projectResource } from "../resourcemanager/index.ts";
import { project } from "../resourcemanager/projects.ts";
import { disown } from "./disown.ts";

/** Google's default quota of service accounts in one project. */
const MAX_ACCOUNTS = 100;
const BASE = "/iam/v1/projects/{project}/serviceAccounts";
const ONE = `${BASE}/{account}`;

/** The roles that grant something on a service account; Google refuses others in its policy. */
const bindable = (role: string): boolean =>
  !role.startsWith("roles/") || /^roles\/(iam\.|owner$|editor$|viewer$)/.test(role);

/** IAM v1: service accounts and their policies. */
export function serviceAccountsService(cloud: Cloud): Router {
  const { state, access } = cloud;
  const accounts = state.collection<ServiceAccount>(ACCOUNTS);

  function authorised(call: Call, permission: string): ServiceAccount {
    const account = findAccount(state, call.params.project ?? "", call.params.account ?? "");
    access.require(call.principal, permission, accountResource(account));
    return account;
  }

  const keep = (account: ServiceAccount): ServiceAccount => accounts.set(account.email, account);

  async function create(call: Call): Promise<Reply> {
    const found = project(state, call.params.project ?? "");
    access.require(call.principal, "iam.serviceAccounts.create", {
      ...projectResource(found),
      service: "iam.googleapis.com",
    });
    const body = await readMembers<{ accountId?: string; serviceAccount?: Partial<ServiceAccount> }>(call, {
      accountId: "text",
      serviceAccount: "object",
    });
    const id = body.accountId ?? "";
    if (id.length < 6 || id.length > 30) {
      throw rpcError(400, `The account ID ${JSON.stringify(id)} does not have a length between 6 and 30.`);
    }
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])$/.test(id)) {
      throw rpcError(
        400,
        `The account ID ${JSON.stringify(id)} does not match the regular expression "[a-z]([-a-z0-9]*[a-z0-9])".`,
      );
    }
    const email = `${id}@${found.projectId}.iam.gserviceaccount.com`;
    if (accounts.has(email)) {
      throw rpcError(409, `Service account ${id} already exists within project projects/${found.projectId}.`);
    }
    if (accounts.values().filter((each) => each.project === found.projectId).length >= MAX_ACCOUNTS) {
      throw rpcError(429, "Maximum number of service accounts on project reached.");
    }
    const texts = checkTexts(body.serviceAccount ?? {});
    const account: ServiceAccount = {
      email,
      project: found.projectId,
      uniqueId: `1${Array.from({ length: 20 }, () => randomInt(10)).join("")}`,
      displayName: texts.displayName ?? "",
      ...(texts.description ? { description: texts.description } : {}),
      disabled: false,
      etag: newEtag(),
      policy: { etag: "ACAB" },
    };
    return { json: show(keep(account)) };
  }

  async function patch(call: Call): Promise<Reply> {
    const account = authorised(call, "iam.serviceAccounts.update");
    const body = await readMembers<{ serviceAccount?: Partial<ServiceAccount>; updateMask?: string }>(call, {
      serviceAccount: "object",
      updateMask: "text",
    });
    const texts = checkTexts(body.serviceAccount ?? {});
    const mask = (body.updateMask ?? "")
      .split(",")
      .map((name) => name.trim().replace(/_(\w)/g, (_, letter) => letter.toUpperCase()));
    const unknown = mask.filter((name) => !["displayName", "description", "etag", ""].includes(name));
    if (unknown.length > 0)
      throw rpcError(
        400,
        `The update mask names ${unknown.join(", ")}; only display_name and description can be changed.`,
      );
    const change: Partial<ServiceAccount> = {};
    if (mask.includes("displayName")) change.displayName = texts.displayName ?? "";
    if (mask.includes("description")) change.description = texts.description ?? "";
    return { json: show(keep({ ...account, ...change, etag: newEtag() })) };
  }

  async function writePolicy(call: Call): Promise<Reply> {
    const account = authorised(call, "iam.serviceAccounts.setIamPolicy");
    const { policy: next = {} } = await readMembers<{ policy?: Policy; updateMask?: string }>(call, {
      policy: "object",
      updateMask: "text",
    });
    const resource = accountResource(account).name;
    const policy = acceptPolicy({
      state,
      now: cloud.now,
      project: account.project,
      resource,
      current: account.policy,
      next,
      bindable,
    });
    keep({ ...account, policy });
    return { json: policy };
  }

  function switched(disabled: boolean): (call: Call) => Reply {
    return (call) => {
      keep({ ...authorised(call, `iam.serviceAccounts.${disabled ? "disable" : "enable"}`), disabled });
      return { json: {} };
    };
  }

  return new Router()
    .on("POST", BASE, create)
    .on("GET", BASE, (call) => {
      const found = project(state, call.params.project ?? "");
      access.require(call.principal, "iam.serviceAccounts.list", {
        ...projectResource(found),
        service: "iam.googleapis.com",
      });
      const own = accounts.values().filter((account) => account.project === found.projectId);
      return { json: own.length > 0 ? { accounts: own.map(show) } : {} };
    })
    .on("GET", ONE, (call) => ({ json: show(authorised(call, "iam.serviceAccounts.get")) }))
    .on("PATCH", ONE, patch)
    .on("DELETE", ONE, (call) => {
      const account = authorised(call, "iam.serviceAccounts.delete");
      accounts.delete(account.email);
      disown(state, account);
      return { json: {} };
    })
    .on("POST", `${ONE}:enable`, switched(false))
    .on("POST", `${ONE}:disable`, switched(true))
    .on("POST", `${ONE}:getIamPolicy`, (call) => {
      const requested = Number(call.query.get("options.requestedPolicyVersion") ?? 0);
      return { json: policyFor(authorised(call, "iam.serviceAccounts.getIamPolicy").policy, requested) };
    })
    .on("POST", `${ONE}:setIamPolicy`, writePolicy)
    .on("POST", `${ONE}:testIamPermissions`, async (call) => {
      const account = findAccount(state, call.params.project ?? "", call.params.account ?? "");
      const { permissions = [] } = await readMembers<{ permissions?: string[] }>(call, { permissions: "texts" });
      const held = permissions.filter((each) => access.allowed(call.principal, each, accountResource(account)));
      return { json: held.length > 0 ? { permissions: held } : {} };
    });
}

/** A service account by e-mail or unique id; `-` stands for whatever project it is in. */
export function findAccount(state: State, projectId: string, account: string): ServiceAccount {
  const accounts = state.collection<ServiceAccount>(ACCOUNTS);
  const found = accounts.get(account.toLowerCase()) ?? accounts.values().find((each) => each.uniqueId === account);
  const wanted = projectId === "-" ? found?.project : project(state, projectId).projectId;
  if (!found || found.project !== wanted) {
    throw rpcError(404, `Unknown service account: projects/${projectId}/serviceAccounts/${account} does not exist.`);
  }
  return found;
}

export function accountResource({ email, project: owner, policy }: ServiceAccount): Resource {
  return {
    service: "iam.googleapis.com",
    type: "iam.googleapis.com/ServiceAccount",
    name: `projects/${owner}/serviceAccounts/${email}`,
    project: owner,
    policies: [policy],
  };
}

function show({ email, project: owner, uniqueId, displayName, description, disabled, etag }: ServiceAccount): unknown {
  return {
    name: `projects/${owner}/serviceAccounts/${email}`,
    projectId: owner,
    uniqueId,
    email,
    ...(displayName ? { displayName } : {}),
    ...(description ? { description } : {}),
    ...(disabled ? { disabled } : {}),
    etag,
    oauth2ClientId: uniqueId,
  };
}

interface Texts {
  displayName?: string;
  description?: string;
}

/** What a caller may set; what else an account shows may be sent back with it and changes nothing. */
function checkTexts(account: object): Texts {
  const { displayName, description } = checkMembers<Texts & Record<string, unknown>>(account, "serviceAccount", {
    displayName: "text",
    description: "text",
    name: "text",
    projectId: "text",
    uniqueId: "text",
    email: "text",
    etag: "text",
    oauth2ClientId: "text",
    disabled: "truth",
  });
  if (Buffer.byteLength(displayName ?? "") > 100) throw rpcError(400, "The display name may have 100 bytes at most.");
  if (Buffer.byteLength(description ?? "") > 256) throw rpcError(400, "The description may have 256 bytes at most.");
  return { displayName, description };
}
