import { PERMISSIONS } from "../../core/access/permissions.ts";
import { newEtag } from "../../core/access/policy.ts";
import { CUSTOM_ROLES, type CustomRole } from "../../core/access/records.ts";
import { predefinedRole, predefinedRoles } from "../../core/access/roles.ts";
import { checkMembers, readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { notModelled, rpcError } from "../../core/errors.ts";
import { type Call, type Reply, Router } from "../../core/http.ts";
import { projectResource } from "../resourcemanager/index.ts";
import { project } from "../resourcemanager/projects.ts";

const DAY = 24 * 3_600_000;
/**
 * A deleted role can be taken back for 7 days (reference of projects.roles.delete, read 2026-11-21); that its id stays
 * blocked for 30 more is from general knowledge.
 */
const RESTORABLE_MS = 7 * DAY;
const BLOCKED_MS = 37 * DAY;
const MAX_ROLES = 300;
const STAGES = ["ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"];
/** Google lets these into an organization's roles only. */
const NOT_IN_PROJECT_ROLES = new Set(["resourcemanager.projects.list"]);
const BASE = "/iam/v1/projects/{project}/roles";
const ONE = `${BASE}/{role}`;

/** IAM v1: a project's custom roles, and the predefined ones to read. */
export function customRolesService(cloud: Cloud): Router {
  const { state, access } = cloud;
  const roles = state.collection<CustomRole>(CUSTOM_ROLES);

  function owner(call: Call, permission: string): string {
    const found = project(state, call.params.project ?? "");
    access.require(call.principal, permission, { ...projectResource(found), service: "iam.googleapis.com" });
    return found.projectId;
  }

  function existing(call: Call, permission: string): CustomRole {
    const name = `projects/${owner(call, permission)}/roles/${call.params.role}`;
    const role = roles.get(name);
    if (!role || isGone(role)) throw rpcError(404, `The role named ${name} was not found.`);
    return role;
  }

  /** Past its 37 days a deleted role has never been. */
  function isGone({ deletedAt }: CustomRole): boolean {
    return deletedAt !== undefined && deletedAt + BLOCKED_MS <= cloud.now();
  }

  async function create(call: Call): Promise<Reply> {
    const projectId = owner(call, "iam.roles.create");
    const { roleId = "", role = {} } = await readMembers<{ roleId?: string; role?: Partial<CustomRole> }>(call, {
      roleId: "text",
      role: "object",
    });
    if (!/^[A-Za-z0-9_.]{3,64}$/.test(roleId)) {
      throw rpcError(
        400,
        `The role_id ${JSON.stringify(roleId)} must be 3 to 64 characters of A-Z, a-z, 0-9, underscore and full stop.`,
      );
    }
    const name = `projects/${projectId}/roles/${roleId}`;
    const known = roles.get(name);
    if (known && !isGone(known)) {
      if (!known.deleted) throw rpcError(409, `A role named ${roleId} in ${projectId} already exists.`);
      throw rpcError(
        400,
        `You can't create a role_id (${roleId}) which has been marked for deletion.`,
        "FAILED_PRECONDITION",
      );
    }
    if (
      roles.values().filter((each) => each.name.startsWith(`projects/${projectId}/`) && !each.deleted).length >=
      MAX_ROLES
    ) {
      throw rpcError(429, `Maximum number of custom roles (${MAX_ROLES}) reached.`);
    }
    const made: CustomRole = {
      stage: "ALPHA",
      includedPermissions: [],
      ...checked(role),
      name,
      etag: newEtag(),
      deleted: false,
    };
    return { json: show(roles.set(name, made)) };
  }

  async function patch(call: Call): Promise<Reply> {
    const role = existing(call, "iam.roles.update");
    const body = await call.json<Partial<CustomRole>>();
    if (body.etag && body.etag !== role.etag) {
      throw rpcError(409, "There were concurrent role changes. Please retry with the current etag.", "ABORTED");
    }
    if (role.deleted)
      throw rpcError(400, `The role ${role.name} is deleted: undelete it first.`, "FAILED_PRECONDITION");
    const change = checked(body);
    const mask = (call.query.get("updateMask") ?? "").split(",").filter(Boolean);
    const fields =
      mask.length > 0
        ? mask.map((name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()))
        : Object.keys(change);
    const unknown = fields.filter(
      (name) => !["title", "description", "includedPermissions", "stage", "etag"].includes(name),
    );
    if (unknown.length > 0) throw rpcError(400, `Invalid update mask: ${unknown.join(", ")}.`);
    const taken = Object.fromEntries(fields.map((name) => [name, change[name as keyof typeof change]]));
    const next = { ...role, ...taken, name: role.name, etag: newEtag(), deleted: false };
    return { json: show(roles.set(role.name, { ...next, includedPermissions: next.includedPermissions ?? [] })) };
  }

  return new Router()
    .on("POST", BASE, create)
    .on("GET", BASE, (call) => {
      const prefix = `projects/${owner(call, "iam.roles.list")}/roles/`;
      const deleted = /^true$/i.test(call.query.get("showDeleted") ?? "");
      const full = call.query.get("view") === "FULL";
      const own = roles
        .values()
        .filter((role) => role.name.startsWith(prefix) && !isGone(role) && (deleted || !role.deleted));
      return { json: own.length > 0 ? { roles: own.map((role) => show(role, full)) } : {} };
    })
    .on("GET", ONE, (call) => ({ json: show(existing(call, "iam.roles.get")) }))
    .on("PATCH", ONE, patch)
    .on("DELETE", ONE, (call) => {
      const role = existing(call, "iam.roles.delete");
      if (role.deleted) throw rpcError(400, `The role ${role.name} is already deleted.`, "FAILED_PRECONDITION");
      return { json: show(roles.set(role.name, { ...role, deleted: true, deletedAt: cloud.now(), etag: newEtag() })) };
    })
    .on("POST", `${ONE}:undelete`, (call) => {
      const role = existing(call, "iam.roles.undelete");
      if (!role.deleted) throw rpcError(400, `The role ${role.name} is not deleted.`, "FAILED_PRECONDITION");
      if ((role.deletedAt ?? 0) + RESTORABLE_MS <= cloud.now()) {
        throw rpcError(
          400,
          `The role ${role.name} was deleted more than 7 days ago and cannot be taken back.`,
          "FAILED_PRECONDITION",
        );
      }
      const { deletedAt: _, ...rest } = role;
      return { json: show(roles.set(role.name, { ...rest, deleted: false, etag: newEtag() })) };
    })
    .on("POST", "/iam/v1/permissions:queryTestablePermissions", async (call) => {
      const { fullResourceName = "" } = await readMembers<{ fullResourceName?: string; pageSize?: number }>(call, {
        fullResourceName: "text",
        pageSize: "number",
      });
      // gcloud forms the name from the address at which it finds Resource Manager.
      if (!/^\/\/[^/]+(\/crm)?\/projects\/[^/]+$/.test(fullResourceName)) {
        throw notModelled(`the testable permissions of ${fullResourceName || "no resource"}`);
      }
      const names = [...PERMISSIONS].sort();
      return {
        json: {
          permissions: names.map((name) => ({
            name,
            stage: "GA",
            ...(NOT_IN_PROJECT_ROLES.has(name) ? { customRolesSupportLevel: "NOT_SUPPORTED" } : {}),
          })),
        },
      };
    })
    .on("GET", "/iam/v1/roles", () => ({
      json: { roles: predefinedRoles().map(({ name, title }) => ({ name, title, stage: "GA" })) },
    }))
    .on("GET", "/iam/v1/roles/{role}", (call) => {
      const name = `roles/${call.params.role}`;
      const permissions = predefinedRole(name);
      if (!permissions) throw notModelled(`the role ${name}`);
      const title = predefinedRoles().find((role) => role.name === name)?.title;
      return { json: { name, title, stage: "GA", includedPermissions: [...permissions].sort() } };
    });
}

function checked(role: Partial<CustomRole>): Partial<CustomRole> {
  const { title, description, includedPermissions, stage } = checkMembers<Partial<Omit<CustomRole, "deletedAt">>>(
    role,
    "role",
    {
      name: "text",
      title: "text",
      description: "text",
      includedPermissions: "texts",
      stage: "text",
      etag: "text",
      deleted: "truth",
    },
  );
  if ((title ?? "").length > 100) throw rpcError(400, "The title of a role may have 100 characters at most.");
  if ((description ?? "").length > 300)
    throw rpcError(400, "The description of a role may have 300 characters at most.");
  if (stage !== undefined && !STAGES.includes(stage))
    throw rpcError(400, `Invalid value at 'role.stage': ${JSON.stringify(stage)}.`);
  for (const permission of includedPermissions ?? []) {
    if (NOT_IN_PROJECT_ROLES.has(permission)) throw rpcError(400, `Permission ${permission} is not valid.`);
    if (!/^[a-z][A-Za-z]*\.[A-Za-z]+\.[A-Za-z]+$/.test(permission))
      throw rpcError(400, `Permission ${permission} is not valid.`);
    if (!PERMISSIONS.has(permission)) throw notModelled(`the permission ${permission}`);
  }
  const sorted = includedPermissions === undefined ? undefined : [...new Set(includedPermissions)].sort();
  const all = { title, description, includedPermissions: sorted, stage };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function show({ deletedAt: _, deleted, includedPermissions, ...role }: CustomRole, full = true): unknown {
  return {
    ...role,
    ...(full && includedPermissions.length > 0 ? { includedPermissions } : {}),
    ...(deleted ? { deleted } : {}),
  };
}
