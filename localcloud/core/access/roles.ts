import { BASIC_ROLES } from "./predefined/basic.ts";
import { COMPUTE_ROLES } from "./predefined/compute.ts";
import { CONTAINER_ROLES } from "./predefined/container.ts";
import type { RoleTable } from "./predefined/definition.ts";
import { IDENTITY_ROLES, OPERATIONS_ROLES } from "./predefined/identity.ts";
import { STORAGE_ROLES } from "./predefined/storage.ts";

/**
 * Google's predefined roles, as far as the environment and its clients use them, cut to the permissions that the local
 * cloud knows. Compared on 2026-11-21, role by role and permission by permission, with a public daily dump of what
 * Google's IAM API answers (github.com/darkbitio/gcp-iam-role-permissions, state of 2026-08-22): no difference but
 * that cut. A role outside these tables is an error.
 */
const ROLES: RoleTable = {
  ...BASIC_ROLES,
  ...STORAGE_ROLES,
  ...COMPUTE_ROLES,
  ...IDENTITY_ROLES,
  ...OPERATIONS_ROLES,
  ...CONTAINER_ROLES,
};

export function isBasicRole(role: string): boolean {
  return Object.hasOwn(BASIC_ROLES, role);
}

const expanded = new Map<string, ReadonlySet<string>>();

/** The permissions of a predefined role, or `undefined` if the table has no such role. */
export function predefinedRole(name: string): ReadonlySet<string> | undefined {
  const definition = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
  if (!definition) return undefined;
  let permissions = expanded.get(name);
  if (!permissions) {
    permissions = definition.permissions();
    expanded.set(name, permissions);
  }
  return permissions;
}

export function predefinedRoles(): { name: string; title: string }[] {
  return Object.entries(ROLES).map(([name, { title }]) => ({ name, title }));
}
