import { execFile } from "node:child_process";
import { loginHeaders } from "../../training/auth.ts";
import { computeRoot, iamRoot, resourceManagerRoot } from "../../training/endpoints.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import { explained, messageOf } from "../../training/errors.ts";
import { type WorkstationRecord, workstationOf } from "../../workstation/environment.ts";
import { findGcloud } from "../../workstation/gcloud.ts";
import type { Check } from "./doctor.ts";

/** What a workstation needs besides what trainings do: commands connect through it. */
export const WORKSTATION_SERVICES = ["iap.googleapis.com"];

const CALL_MS = 10_000;
const GCLOUD_MS = 20_000;
/** What Google's agent needs to keep an instance schedule, and Google's own roles that hold it. */
const SCHEDULE = ["compute.instances.start", "compute.instances.stop"];
const SCHEDULERS = ["roles/compute.instanceAdmin.v1", "roles/compute.admin", "roles/editor", "roles/owner"];
const LOGINS = ["roles/compute.osAdminLogin", "roles/compute.osLogin"];
const EXTERNAL = "roles/compute.osLoginExternalUser";

interface Policy {
  bindings?: { role: string; members?: string[] }[];
}

interface Project {
  projectNumber: string;
  parent?: { type: string; id: string };
}

/** What is missing to work on the workstation. Asks only; what may not be seen is said to be so. */
export async function workstationChecks(environment: OpenEnvironment): Promise<Check[]> {
  const record = workstationOf(environment);
  const checks = [gcloudLogin(), people(environment, record)];
  if (record.schedule) checks.push(schedule(environment));
  return Promise.all(checks);
}

/** Whom gcloud connects as: it has a login of its own. */
async function gcloudLogin(): Promise<Check> {
  const name = "gcloud login";
  for (const variable of ["CLOUDSDK_AUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]) {
    if (process.env[variable]?.trim()) return { name, state: "ok", detail: `the token in ${variable}` };
  }
  const account = await activeAccount().catch(() => undefined);
  if (account) return { name, state: "ok", detail: `${account}; mlt ssh, jupyter, exec and cp connect as it` };
  const detail = "none; mlt ssh, jupyter, exec and cp connect with it";
  return { name, state: "missing", detail, fix: "gcloud auth login" };
}

async function activeAccount(): Promise<string> {
  const { file, before, verbatim } = findGcloud();
  const args = ["auth", "list", "--filter=status:ACTIVE", "--format=value(account)"];
  return new Promise((resolve, reject) => {
    execFile(
      file,
      verbatim ? verbatim(args) : [...before, ...args],
      { timeout: GCLOUD_MS, windowsVerbatimArguments: verbatim !== undefined, windowsHide: true },
      (error, stdout) => (error ? reject(error) : resolve(stdout.trim().split(/\s/)[0] ?? "")),
    );
  });
}

/** Whether Google's agent may stop the machine at night: a schedule that may not fails without a word. */
async function schedule({ project, scope }: OpenEnvironment): Promise<Check> {
  const name = "schedule";
  try {
    const root = resourceManagerRoot();
    const [{ projectNumber }, policy] = await Promise.all([
      call<Project>("GET", `${root}v1/projects/${encodeURIComponent(project)}`),
      call<Policy>("POST", `${root}v1/projects/${encodeURIComponent(project)}:getIamPolicy`, {
        options: { requestedPolicyVersion: 3 },
      }),
    ]);
    const agent = `service-${projectNumber}@compute-system.iam.gserviceaccount.com`;
    const roles = (policy.bindings ?? [])
      .filter(({ members = [] }) => members.includes(`serviceAccount:${agent}`))
      .map(({ role }) => role);
    for (const role of roles) {
      if (SCHEDULERS.includes(role) || (await holds(role))) {
        return { name, state: "ok", detail: `Google's agent stops machines in ${project} (${role})` };
      }
    }
    return {
      name,
      state: "missing",
      detail: `${agent} may not stop machines in ${project}: the nightly schedule does nothing`,
      fix: scope === "student" ? "pulumi up in the foundation's stack" : "pulumi up",
    };
  } catch (error) {
    return unseen(name, `whether Google's agent may stop machines in ${project}`, error);
  }
}

/** Whether a custom role holds what a schedule needs. */
async function holds(role: string): Promise<boolean> {
  if (role.startsWith("roles/")) return false;
  const { includedPermissions = [] } = await call<{ includedPermissions?: string[] }>("GET", `${iamRoot()}v1/${role}`);
  return SCHEDULE.every((permission) => includedPermissions.includes(permission));
}

/**
 * Whether those who may log in may also come from outside the project's organisation. A project without one asks for
 * nothing more (general knowledge).
 */
async function people({ project }: OpenEnvironment, record: WorkstationRecord): Promise<Check> {
  const name = "people";
  let seen = `who may log in to ${record.name}`;
  try {
    const members = await loginMembers(project, record);
    if (members.length === 0) {
      return {
        name,
        state: "later",
        detail: `nobody is named: who may do all in ${project} gets onto ${record.name}, and nobody else`,
        fix: `pulumi config set --path 'mltraining:workstation.people[0]' user:NAME@DOMAIN && pulumi up`,
      };
    }
    const said = `${members.length} may log in to ${record.name}`;
    seen = `the organisation of ${project}`;
    const organisation = await organisationOf(project);
    if (!organisation) return { name, state: "ok", detail: `${said}; ${project} is in no organisation` };
    const url = `${resourceManagerRoot()}v1/${organisation}`;
    const { displayName: domain = "" } = await call<{ displayName?: string }>("GET", url);
    const outside = members.filter((member) => !member.toLowerCase().endsWith(`@${domain.toLowerCase()}`));
    if (outside.length === 0) return { name, state: "ok", detail: `${said}, all of ${domain}` };
    const fix = outside
      .map(
        (member) =>
          `gcloud organizations add-iam-policy-binding ${organisation.split("/")[1]} --member=${member} --role=${EXTERNAL}`,
      )
      .join(" && ");
    const policy = await call<Policy>("POST", `${url}:getIamPolicy`, {}).catch(() => undefined);
    if (!policy) {
      const who = `${outside.join(", ")} ${outside.length === 1 ? "is" : "are"}`;
      const detail = `${who} outside ${domain} and cannot log in without ${EXTERNAL} on it, which cannot be seen from here; one of its administrators gives it`;
      return { name, state: "later", detail, fix };
    }
    const bound = (policy.bindings ?? [])
      .filter(({ role }) => role === EXTERNAL)
      .flatMap(({ members: each = [] }) => each);
    const lacking = outside.filter((member) => !covers(bound, member));
    if (lacking.length === 0) return { name, state: "ok", detail: `${said}, those outside ${domain} with ${EXTERNAL}` };
    const detail = `outside ${domain} and without ${EXTERNAL} on it: ${lacking.join(", ")}; one of its administrators gives it`;
    const wanted = fix
      .split(" && ")
      .filter((_, index) => lacking.includes(outside[index] ?? ""))
      .join(" && ");
    return { name, state: "missing", detail, fix: wanted };
  } catch (error) {
    return unseen(name, seen, error);
  }
}

function covers(bound: readonly string[], member: string): boolean {
  const domain = member.split("@")[1]?.toLowerCase();
  return bound.some((one) => one.toLowerCase() === member.toLowerCase() || one.toLowerCase() === `domain:${domain}`);
}

async function loginMembers(project: string, { name, zone }: WorkstationRecord): Promise<string[]> {
  const root = computeRoot() ?? "https://compute.googleapis.com/";
  const path = `projects/${encodeURIComponent(project)}/zones/${zone}/instances/${name}/getIamPolicy`;
  const { bindings = [] } = await call<Policy>("GET", `${root}compute/v1/${path}`);
  return [...new Set(bindings.filter(({ role }) => LOGINS.includes(role)).flatMap(({ members = [] }) => members))];
}

/** `organizations/NUMBER`; `undefined`: the project is in none. */
async function organisationOf(project: string): Promise<string | undefined> {
  const url = `${resourceManagerRoot()}v1/projects/${encodeURIComponent(project)}`;
  const { parent } = await call<Project>("GET", url);
  if (!parent) return undefined;
  if (parent.type === "organization") return `organizations/${parent.id}`;
  const { ancestor = [] } = await call<{ ancestor?: { resourceId: { type: string; id: string } }[] }>(
    "POST",
    `${url}:getAncestry`,
    {},
  );
  const found = ancestor.find(({ resourceId }) => resourceId.type === "organization");
  return found && `organizations/${found.resourceId.id}`;
}

function unseen(name: string, what: string, error: unknown): Check {
  return { name, state: "later", detail: `${what} cannot be seen: ${messageOf(explained(error, "Asking for it"))}` };
}

async function call<T>(method: "GET" | "POST", url: string, body?: object): Promise<T> {
  const headers = await loginHeaders(url);
  if (body) headers.set("content-type", "application/json");
  const init = { method, headers, signal: AbortSignal.timeout(CALL_MS), body: body && JSON.stringify(body) };
  const answer = await fetch(url, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status}: ${messageOf(new Error(text))}`);
  return JSON.parse(text) as T;
}
