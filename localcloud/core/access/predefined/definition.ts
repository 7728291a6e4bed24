import { expand, PERMISSIONS } from "../permissions.ts";

export interface RoleDefinition {
  title: string;
  permissions: () => Set<string>;
}

export type RoleTable = Readonly<Record<string, RoleDefinition>>;

/** A role with the permissions that fit `patterns`. */
export const of = (title: string, ...patterns: string[]): RoleDefinition => ({
  title,
  permissions: () => expand(...patterns),
});

export const PROJECT_READ = ["resourcemanager.projects.get", "resourcemanager.projects.list"];

/** Reads that change nothing, over the permissions that fit the prefix. */
export const reads = (prefix: string): string[] =>
  [...PERMISSIONS].filter(
    (name) =>
      name.startsWith(prefix) && /\.(get\w*|list\w*)$/.test(name) && !/\.get(AccessToken|OpenIdToken)$/.test(name),
  );

/** What nearly every role of Compute Engine holds beside its own. */
export const USAGE_READ = ["serviceusage.quotas.get", "serviceusage.services.get", "serviceusage.services.list"];
