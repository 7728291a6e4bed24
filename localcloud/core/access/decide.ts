import type { Access, Binding, Policy, Principal, Resource } from "../access.ts";
import { GoogleError, notModelled } from "../errors.ts";
import type { State } from "../state.ts";
import { type Attributes, compileCondition } from "./cel.ts";
import { isMember } from "./members.ts";
import { PERMISSIONS } from "./permissions.ts";
import { customRole, grantKey, projectPolicy, serviceAccount } from "./records.ts";
import { isBasicRole, predefinedRole } from "./roles.ts";

export interface AccessSettings {
  /** Time until a new grant takes effect: at Google two minutes typically, seven and more at times. */
  iamDelayMs: number;
}

export interface AccessOptions {
  state: State;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Read at every decision; absent: a grant takes effect at once. */
  settings?: AccessSettings;
}

/**
 * Services whose resources conditions cannot tell apart: they are not in Google's list of services with resource
 * attributes (cloud.google.com/iam/docs/conditions-resource-attributes, read 2026-11-21).
 */
const WITHOUT_ATTRIBUTES = new Set(["iam.googleapis.com", "serviceusage.googleapis.com"]);

/** Decides calls by the policies in the state. */
export function createAccess(options: AccessOptions): Access {
  const { state } = options;

  function allowed(principal: Principal, permission: string, resource: Resource): boolean {
    if (!PERMISSIONS.has(permission)) throw notModelled(`the permission ${permission}`);
    if (principal.kind === "operator") return true;
    if (principal.kind === "serviceAccount" && !isServiceAgent(principal.email)) {
      const account = serviceAccount(state, principal.email);
      if (!account || account.disabled) return false;
      if (principal.uniqueId !== undefined && principal.uniqueId !== account.uniqueId) return false;
    }
    const own = resource.policies ?? [];
    return (
      own.some((policy) => grants(policy, ownName(resource), principal, permission, resource)) ||
      grants(projectPolicy(state, resource.project), `projects/${resource.project}`, principal, permission, resource)
    );
  }

  function grants(
    policy: Policy,
    holder: string,
    principal: Principal,
    permission: string,
    resource: Resource,
  ): boolean {
    return (policy.bindings ?? []).some(
      (binding) =>
        permissionsOf(state, binding.role).has(permission) &&
        binding.members.some(
          (member) =>
            isMember(state, member, principal, (role) => holdsBasic(resource.project, role, principal)) &&
            inEffect(options, holder, binding, member),
        ) &&
        fulfilled(binding, resource, options.now()),
    );
  }

  /** Convenience members such as `projectEditor:P`: who holds the basic role on the project. */
  function holdsBasic(project: string, role: string, principal: Principal): boolean {
    return (projectPolicy(state, project).bindings ?? []).some(
      (binding) =>
        binding.role === role &&
        isBasicRole(role) &&
        binding.members.some((member) => isMember(state, member, principal, () => false)),
    );
  }

  return {
    allowed,
    require(principal, permission, resource) {
      if (allowed(principal, permission, resource)) return;
      throw principal.kind === "anonymous" ? unauthenticated() : forbidden(principal, permission, resource);
    },
  };
}

/** Google's own accounts, with which its services work in a project: nobody makes them. */
export function isServiceAgent(email: string): boolean {
  return /^service-\d+@[a-z0-9-]+\.iam\.gserviceaccount\.com$/.test(email);
}

/** The permissions of a role in force; none for a deleted custom role. */
export function permissionsOf(state: State, role: string): ReadonlySet<string> {
  const predefined = predefinedRole(role);
  if (predefined) return predefined;
  const custom = customRole(state, role);
  return custom && !custom.deleted ? new Set(custom.includedPermissions) : new Set();
}

/** The resource that holds the policy: a bucket for its objects, else the resource itself. */
function ownName({ name }: Resource): string {
  return /^(projects\/_\/buckets\/[^/]+)\//.exec(name)?.[1] ?? name;
}

function inEffect({ state, now, settings }: AccessOptions, holder: string, binding: Binding, member: string): boolean {
  if (!settings || settings.iamDelayMs <= 0) return true;
  const made = state.collection<number>("iam.grants").get(grantKey(holder, binding, member));
  return made === undefined || made + settings.iamDelayMs <= now();
}

function fulfilled({ condition }: Binding, resource: Resource, now: number): boolean {
  if (!condition) return true;
  const attributes: Attributes = {
    resource: WITHOUT_ATTRIBUTES.has(resource.service)
      ? {}
      : { name: resource.name || undefined, type: resource.type || undefined, service: resource.service || undefined },
    request: { time: new Date(now) },
    api: resource.attributes ?? {},
  };
  return compileCondition(condition.expression)(attributes);
}

/** Google's answer to a call without a valid token. */
export function unauthenticated(): GoogleError {
  const message =
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid " +
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";
  return new GoogleError(401, "authError", message, {
    errors: [
      {
        message: "Invalid Credentials",
        domain: "global",
        reason: "authError",
        location: "Authorization",
        locationType: "header",
      },
    ],
    status: "UNAUTHENTICATED",
  });
}

function forbidden(principal: Principal, permission: string, resource: Resource): GoogleError {
  const caller = "email" in principal ? principal.email : principal.kind;
  const name = resource.name || `projects/${resource.project}`;
  if (resource.service === "storage.googleapis.com") {
    const kind = resource.type.slice(resource.type.indexOf("/") + 1).toLowerCase();
    const thing = kind === "object" || kind === "bucket" ? `Google Cloud Storage ${kind}` : "resource";
    return new GoogleError(
      403,
      "forbidden",
      `${caller} does not have ${permission} access to the ${thing}. Permission '${permission}' denied on resource (or it may not exist).`,
    );
  }
  if (resource.service === "compute.googleapis.com") {
    return new GoogleError(403, "forbidden", `Required '${permission}' permission for '${name}'`);
  }
  return new GoogleError(
    403,
    "forbidden",
    `Permission '${permission}' denied on resource '//${resource.service}/${name}' (or it may not exist).`,
    {
      status: "PERMISSION_DENIED",
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: "IAM_PERMISSION_DENIED",
          domain: resource.service,
          metadata: { resource: name, permission },
        },
      ],
    },
  );
}
