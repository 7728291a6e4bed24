import { createHash, randomBytes } from "node:crypto";
import type { Binding, Policy } from "../access.ts";
import { checkMembers } from "../body.ts";
import { GoogleError, notModelled } from "../errors.ts";
import type { State } from "../state.ts";
import { compileCondition } from "./cel.ts";
import { malformedMember, PUBLIC_MEMBERS } from "./members.ts";
import { customRole, grantKey, serviceAccount, unknownAccounts } from "./records.ts";
import { isBasicRole, predefinedRole } from "./roles.ts";

/** Google's limits on one allow policy. */
const MAX_PRINCIPALS = 1500;
const MAX_GROUPS_AND_DOMAINS = 250;
const MAX_CONDITIONS_PER_ROLE_AND_PRINCIPAL = 20;

export interface PolicyChange {
  state: State;
  /** Milliseconds since 1970. */
  now: () => number;
  /** The project that the resource is in; its service accounts must exist to become members. */
  project: string;
  /** The resource's full name, for example `projects/_/buckets/B`. */
  resource: string;
  /** The policy that is in force. */
  current: Policy;
  /** The policy that the caller sends. */
  next: Policy;
  /** Answered when the etag is an old one: 409 by most services, 412 by storage. */
  conflict?: number;
  /** Roles cannot be bound to every kind of resource; absent: any role. */
  bindable?: (role: string) => boolean;
}

/**
 * Checks a policy as `setIamPolicy` does and returns what is to be kept: bindings merged, the version that its
 * conditions need, a new etag. Throws Google's error otherwise; the policy in force is untouched.
 */
export function acceptPolicy(change: PolicyChange): Policy {
  const { current, next } = change;
  checkPolicyShape(next);
  if (next.etag && next.etag !== current.etag) {
    throw new GoogleError(
      change.conflict ?? 409,
      (change.conflict ?? 409) === 412 ? "conditionNotMet" : "aborted",
      "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. " +
        `The request's ETag '${next.etag}' did not match the current policy's ETag '${current.etag}'.`,
      (change.conflict ?? 409) === 412 ? {} : { status: "ABORTED" },
    );
  }
  if (next.version !== undefined && ![0, 1, 3].includes(next.version))
    throw bad(`Invalid policy version: ${next.version}.`);
  const bindings = mergeBindings(next.bindings ?? []);
  for (const binding of bindings) checkBinding(change, binding);
  const conditional = bindings.some(({ condition }) => condition);
  if (conditional && next.version !== 3) {
    throw bad(
      "A conditional binding needs a policy of version 3: set policy.version to 3 and read with requestedPolicyVersion 3.",
    );
  }
  if ((current.bindings ?? []).some(({ condition }) => condition) && next.version !== 3 && !next.etag) {
    throw bad("The policy in force has conditions: a policy that replaces it needs its etag or version 3.");
  }
  checkLimits(bindings);
  stampGrants(change, bindings);
  return { version: conditional ? 3 : 1, etag: newEtag(), bindings, ...auditConfigs(next) };
}

/** Eight bytes in base64. Without `+` and `/`, which some clients send back in the spelling for addresses. */
export function newEtag(): string {
  for (;;) {
    const etag = Buffer.concat([Buffer.from([7]), randomBytes(7)]).toString("base64");
    if (!/[+/]/.test(etag)) return etag;
  }
}

/** What `getIamPolicy` answers: conditions are shown only to callers who ask for version 3. */
export function policyFor(policy: Policy, requestedVersion: number): Policy {
  if (![0, 1, 3].includes(requestedVersion)) throw bad(`Invalid requested policy version: ${requestedVersion}.`);
  if (requestedVersion === 3 || policy.version !== 3) return policy;
  const bindings = (policy.bindings ?? []).map(({ role, members, condition }) =>
    // Google hides the condition and marks the role, so that an old client cannot write it back unconditionally.
    condition
      ? {
          role: `${role}_withcond_${createHash("sha256").update(condition.expression).digest("hex").slice(0, 20)}`,
          members,
        }
      : { role, members },
  );
  return { ...policy, version: 1, bindings };
}

/** The policy after the deletion of a service account: its bindings stay, but name nobody who can call. */
export function withDeletedMember(policy: Policy, email: string, uniqueId: string): Policy {
  const gone = `serviceAccount:${email}`;
  const bindings = (policy.bindings ?? []).map((binding) => ({
    ...binding,
    members: binding.members.map((member) => (member === gone ? `deleted:${gone}?uid=${uniqueId}` : member)),
  }));
  return { ...policy, etag: newEtag(), bindings };
}

export function holdsMember(policy: Policy, member: string): boolean {
  return (policy.bindings ?? []).some(({ members }) => members.includes(member));
}

function mergeBindings(bindings: Binding[]): Binding[] {
  const merged = new Map<string, Binding>();
  for (const { role, members, condition } of bindings) {
    if (typeof role !== "string" || role === "") throw bad("Role name must not be empty.");
    if (!Array.isArray(members) || members.length === 0) continue; // Google drops bindings without members
    const key = `${role} ${JSON.stringify(condition ?? null)}`;
    const known = merged.get(key)?.members ?? [];
    const all = [...new Set([...known, ...members.map(normal)])];
    merged.set(key, { role, members: all, ...(condition ? { condition } : {}) });
  }
  return [...merged.values()];
}

/** E-mail addresses are kept in small letters. */
function normal(member: string): string {
  const at = member.indexOf(":");
  return /^(user|group|serviceAccount|domain)$/.test(member.slice(0, at))
    ? `${member.slice(0, at)}${member.slice(at).toLowerCase()}`
    : member;
}

function checkBinding({ state, project, bindable, current }: PolicyChange, binding: Binding): void {
  const { role, members, condition } = binding;
  checkRole(state, role, project);
  if (bindable && !bindable(role)) throw bad(`Role ${role} is not supported for this resource.`);
  for (const member of members) {
    const problem = malformedMember(member);
    if (problem) throw bad(problem);
    if (!holdsMember(current, member)) checkExists(state, member);
    if (condition && PUBLIC_MEMBERS.has(member))
      throw bad(`Conditions can't be set on bindings with public principals (${member}).`);
  }
  if (!condition) return;
  if (isBasicRole(role)) throw bad(`Conditions can't be set on the basic role ${role}.`);
  if (!condition.title) throw bad("A condition needs a title.");
  if (condition.title.length > 100) throw bad("A condition's title may have 100 characters at most.");
  if ((condition.description ?? "").length > 256)
    throw bad("A condition's description may have 256 characters at most.");
  if (!condition.expression) throw bad("A condition needs an expression.");
  compileCondition(condition.expression);
}

function checkRole(state: State, role: string, project: string): void {
  const custom = /^projects\/([^/]+)\/roles\/([A-Za-z0-9_.]{3,64})$/.exec(role);
  if (custom) {
    const [, owner] = custom as unknown as [string, string];
    const found = customRole(state, role);
    if (!found || found.deleted) throw bad(`Role (${role}) does not exist in the resource's hierarchy.`);
    if (owner !== project)
      throw bad(`Role (${role}) does not exist in the resource's hierarchy: it belongs to another project.`);
    return;
  }
  if (/^organizations\//.test(role)) throw notModelled(`the organization's role ${role}`);
  if (!role.startsWith("roles/"))
    throw bad(`Role (${role}) is not valid: a role is named roles/X or projects/P/roles/X.`);
  if (!predefinedRole(role)) throw notModelled(`the role ${role}`);
}

/**
 * Kubernetes accounts are named by their project's Workload Identity pool, which comes with its first cluster. The
 * sentence is Google's, from users' reports.
 */
function checkWorkloadPool(state: State, member: string): void {
  const federated =
    /^principal(?:Set)?:\/\/iam\.googleapis\.com\/projects\/\d+\/locations\/global\/workloadIdentityPools\/([^/]+\.svc\.id\.goog)\//;
  const pool = federated.exec(member)?.[1] ?? /^serviceAccount:([^/[]+\.svc\.id\.goog)\[/.exec(member)?.[1];
  if (!pool || state.collection("container.workloadPools").has(pool)) return;
  throw bad(
    `Identity Pool does not exist (${pool}). Please check that you specified a valid resource name as returned in the \`name\` attribute in the configuration API.`,
  );
}

function checkExists(state: State, member: string): void {
  checkWorkloadPool(state, member);
  const [, kind = "", person = ""] = /^(user|group):(.+)$/.exec(member) ?? [];
  if (person !== "" && unknownAccounts(state).has(person.toLowerCase())) {
    throw bad(`${kind === "user" ? "User" : "Group"} ${person} does not exist.`);
  }
  const email = /^serviceAccount:([^[]+@.+)$/.exec(member)?.[1];
  if (!email || /@(developer|cloudservices|appspot|cloudbuild)\.gserviceaccount\.com$/.test(email)) return;
  if (/^service-\d+@.*\.iam\.gserviceaccount\.com$/.test(email)) return; // Google's own service agents
  if (!serviceAccount(state, email)) throw bad(`Service account ${email} does not exist.`);
}

function checkLimits(bindings: Binding[]): void {
  const members = bindings.flatMap((binding) => binding.members);
  if (members.length > MAX_PRINCIPALS) {
    throw bad(
      `The number of members in the policy (${members.length}) is larger than the maximum allowed size ${MAX_PRINCIPALS}.`,
    );
  }
  const groups = new Set(members.filter((member) => /^(group|domain):/.test(member))).size;
  if (groups > MAX_GROUPS_AND_DOMAINS) {
    throw bad(
      `The number of groups and domains in the policy (${groups}) is larger than the maximum allowed ${MAX_GROUPS_AND_DOMAINS}.`,
    );
  }
  const conditions = new Map<string, number>();
  for (const { role, members: named, condition } of bindings) {
    if (!condition) continue;
    for (const member of named) {
      const key = `${role} for ${member}`;
      const count = (conditions.get(key) ?? 0) + 1;
      conditions.set(key, count);
      if (count > MAX_CONDITIONS_PER_ROLE_AND_PRINCIPAL) {
        throw bad(`More than ${MAX_CONDITIONS_PER_ROLE_AND_PRINCIPAL} conditional bindings of ${key}.`);
      }
    }
  }
}

/** Notes when a grant was made, for the time until it takes effect. */
function stampGrants({ state, now, resource, current }: PolicyChange, bindings: Binding[]): void {
  const grants = state.collection<number>("iam.grants");
  const before = new Set(keysOf(resource, current.bindings ?? []));
  const after = new Set(keysOf(resource, bindings));
  for (const key of after) if (!before.has(key)) grants.set(key, now());
  for (const key of before) if (!after.has(key)) grants.delete(key);
}

function keysOf(resource: string, bindings: Binding[]): string[] {
  return bindings.flatMap((binding) => binding.members.map((member) => grantKey(resource, binding, member)));
}

/** Refuses what is no policy at all: nothing of a malformed one may take effect. */
export function checkPolicyShape(policy: Policy): void {
  const { bindings = [] } = checkMembers<Policy & { kind?: string; resourceId?: string }>(policy, "policy", {
    version: "number",
    etag: "text",
    bindings: "objects",
    auditConfigs: "objects",
    kind: "text",
    resourceId: "text",
  });
  for (const [index, { condition, ...binding }] of bindings.entries()) {
    const path = `policy.bindings[${index}]`;
    checkMembers<Partial<Binding> & { kind?: string }>(
      condition === undefined ? binding : { ...binding, condition },
      path,
      {
        role: "text",
        members: "texts",
        condition: "object",
        kind: "text",
      },
    );
    if (condition) {
      checkMembers<NonNullable<Binding["condition"]> & { location?: string }>(condition, `${path}.condition`, {
        title: "text",
        description: "text",
        expression: "text",
        location: "text",
      });
    }
  }
}

function auditConfigs(policy: Policy): { auditConfigs?: unknown } {
  return policy.auditConfigs === undefined ? {} : { auditConfigs: policy.auditConfigs };
}

function bad(message: string): GoogleError {
  return new GoogleError(400, "badRequest", message, { status: "INVALID_ARGUMENT" });
}
