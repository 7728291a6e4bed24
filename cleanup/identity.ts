import { call, pages } from "./rest.ts";
import type { Binding } from "./types.ts";

export interface Account {
  name: string;
  email: string;
  description?: string;
}

export interface Role {
  /** `projects/P/roles/ID` */
  name: string;
  description?: string;
  deleted?: boolean;
}

export interface Policy {
  version?: number;
  etag?: string;
  bindings?: (Omit<Binding, "member"> & { members: string[] })[];
}

export async function listAccounts(project: string): Promise<Account[]> {
  const found: Account[] = [];
  type Page = { accounts?: Account[]; nextPageToken?: string };
  await pages<Page>("iam", `projects/${project}/serviceAccounts`, { query: { pageSize: "100" } }, (page) => {
    found.push(...(page.accounts ?? []));
  });
  return found;
}

/** With the deleted ones: their bindings are still there, and only the role's description says whose they are. */
export async function listRoles(project: string): Promise<Role[]> {
  const found: Role[] = [];
  type Page = { roles?: Role[]; nextPageToken?: string };
  const query = { pageSize: "300", showDeleted: "true" };
  await pages<Page>("iam", `projects/${project}/roles`, { query }, (page) => {
    found.push(...(page.roles ?? []));
  });
  return found;
}

/** With its conditions, which older versions of the policy leave out. */
export function readPolicy(project: string): Promise<Policy> {
  const body = { options: { requestedPolicyVersion: 3 } };
  return call<Policy>("resourceManager", `projects/${project}:getIamPolicy`, { method: "POST", body });
}

/** Each member of each binding by itself. */
export function bindingsOf(policy: Policy): Binding[] {
  return (policy.bindings ?? []).flatMap(({ role, condition, members }) =>
    members.map((member) => ({ role, member, ...(condition ? { condition } : {}) })),
  );
}

/** The service account that a member is, and whether it is deleted; `undefined` for people and groups. */
export function accountIn(member: string): { email: string; deleted: boolean } | undefined {
  const [, deleted, email] = /^(deleted:)?serviceAccount:([^?]+)/.exec(member) ?? [];
  return email === undefined ? undefined : { email, deleted: deleted !== undefined };
}

const same = (one: Binding, other: Binding): boolean =>
  one.role === other.role &&
  one.member === other.member &&
  (one.condition?.expression ?? "") === (other.condition?.expression ?? "");

/** The policy without some members' roles; every other binding stays as it is. */
export function without(policy: Policy, gone: readonly Binding[]): Policy {
  const bindings = (policy.bindings ?? [])
    .map((binding) => ({
      ...binding,
      members: binding.members.filter((member) => !gone.some((other) => same({ ...binding, member }, other))),
    }))
    .filter(({ members }) => members.length > 0);
  return { ...policy, version: 3, bindings };
}

export function writePolicy(project: string, policy: Policy): Promise<Policy> {
  return call<Policy>("resourceManager", `projects/${project}:setIamPolicy`, { method: "POST", body: { policy } });
}
