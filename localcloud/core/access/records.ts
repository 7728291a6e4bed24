import type { Binding, Policy } from "../access.ts";
import type { State } from "../state.ts";

/** What the IAM service keeps and the access decision reads. */
export interface ServiceAccount {
  email: string;
  project: string;
  uniqueId: string;
  displayName: string;
  description?: string;
  disabled: boolean;
  etag: string;
  policy: Policy;
}

export interface CustomRole {
  name: string;
  title?: string;
  description?: string;
  includedPermissions: string[];
  stage: string;
  etag: string;
  deleted: boolean;
  /** Milliseconds since 1970. */
  deletedAt?: number;
}

/** The state's collections that belong to identity and access. Their keys are stable: an old state folder opens. */
export const ACCOUNTS = "iam.serviceAccounts";
export const CUSTOM_ROLES = "iam.roles";
export const PROJECT_POLICIES = "iam.projectPolicies";

export function serviceAccount(state: State, email: string): ServiceAccount | undefined {
  return state.collection<ServiceAccount>(ACCOUNTS).get(email.toLowerCase());
}

export function customRole(state: State, name: string): CustomRole | undefined {
  return state.collection<CustomRole>(CUSTOM_ROLES).get(name);
}

export function projectPolicy(state: State, project: string): Policy {
  return state.collection<Policy>(PROJECT_POLICIES).get(project) ?? { version: 1, etag: "ACAB", bindings: [] };
}

/** One text for a binding's role, member and condition: bindings that differ in none of them are one grant. */
export function grantKey(resource: string, binding: Binding, member: string): string {
  return `${resource} ${binding.role} ${member} ${binding.condition ? JSON.stringify(binding.condition.expression) : ""}`;
}

const UNKNOWN_ACCOUNTS = "iam.unknownAccounts";

/**
 * Addresses of which no Google account or group is: as members they are refused. Every other address is taken for one
 * that exists, since nobody signs up here.
 */
export function unknownAccounts(state: State): Set<string> {
  return new Set(state.collection<string[]>(UNKNOWN_ACCOUNTS).get("all") ?? []);
}

export function setUnknownAccounts(state: State, addresses: readonly string[]): string[] {
  const small = addresses.map((address) => address.toLowerCase());
  return state.collection<string[]>(UNKNOWN_ACCOUNTS).set("all", [...new Set(small)].sort());
}
