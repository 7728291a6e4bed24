import { PROJECT_LIMITS } from "../../catalog/courseLimits.ts";
import { call, pages, Refused } from "../../cleanup/rest.ts";
import type { Course, Student } from "../contract.ts";
import { type CheckItem, unseen } from "./checkItem.ts";

/** The APIs that `up` turns on; `tests/course/check.test.ts` holds the list against the components'. */
export const UP_SERVICES = [
  "cloudresourcemanager.googleapis.com",
  "compute.googleapis.com",
  "iam.googleapis.com",
  "iap.googleapis.com",
  "storage.googleapis.com",
  "iamcredentials.googleapis.com",
] as const;

/** What `up`, `status`, `freeze`, `export` and `down` ask for in a project. `roles/owner` holds all of them. */
export const INSTRUCTOR_PERMISSIONS = [
  "compute.firewalls.create",
  "compute.firewalls.delete",
  "compute.instanceTemplates.create",
  "compute.instanceTemplates.delete",
  "compute.instances.create",
  "compute.instances.delete",
  "compute.instances.list",
  "compute.instances.setIamPolicy",
  "compute.instances.start",
  "compute.instances.stop",
  "compute.networks.create",
  "compute.networks.delete",
  "compute.routers.create",
  "compute.routers.delete",
  "compute.subnetworks.create",
  "compute.subnetworks.delete",
  "compute.subnetworks.setIamPolicy",
  "iam.roles.create",
  "iam.roles.delete",
  "iam.serviceAccounts.create",
  "iam.serviceAccounts.delete",
  "iam.serviceAccounts.setIamPolicy",
  "resourcemanager.projects.getIamPolicy",
  "resourcemanager.projects.setIamPolicy",
  "serviceusage.services.enable",
  "serviceusage.services.list",
  "storage.buckets.create",
  "storage.buckets.list",
] as const;

/** Everything about one project but its policies and quotas. The first item says whether it can be seen at all. */
export async function checkProject(
  project: string,
  students: readonly Student[],
  course: Course,
): Promise<CheckItem[]> {
  const seen = await checkSeen(project);
  if (seen.state === "missing") return [seen];
  const items = await Promise.all([
    checkBilling(project),
    checkServices(project),
    checkPermissions(project),
    checkAccounts(project, students, course),
  ]);
  return [seen, ...items];
}

async function checkSeen(project: string): Promise<CheckItem> {
  const item = { project, name: "project" };
  try {
    const { lifecycleState, projectNumber } = await call<{ lifecycleState?: string; projectNumber?: string }>(
      "resourceManager",
      `projects/${project}`,
    );
    if (lifecycleState === "ACTIVE") return { ...item, state: "ok", detail: `number ${projectNumber}` };
    return {
      ...item,
      state: "missing",
      detail: `is being deleted (${lifecycleState}); nothing can be made in it`,
      fix: `gcloud projects undelete ${project}`,
    };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.disabled) {
      const fix = `gcloud services enable cloudresourcemanager.googleapis.com --project ${project}`;
      return { ...item, state: "missing", detail: "the API that shows it is off", fix };
    }
    return {
      ...item,
      state: "missing",
      detail: "there is none of this id, or your login may not see it",
      fix: `gcloud projects list; then have its owner grant you roles/owner on ${project}, or name another in course.yaml`,
    };
  }
}

async function checkBilling(project: string): Promise<CheckItem> {
  const item = { project, name: "billing" };
  try {
    const { billingEnabled, billingAccountName } = await call<{
      billingEnabled?: boolean;
      billingAccountName?: string;
    }>("billing", `projects/${project}/billingInfo`, { quotaProject: project });
    if (billingEnabled) return { ...item, state: "ok", detail: `on, ${billingAccountName}` };
    const detail = billingAccountName
      ? `off: ${billingAccountName} is closed`
      : "off: no account pays for this project";
    const fix = `https://console.cloud.google.com/billing/linkedaccount?project=${project}`;
    return { ...item, state: "missing", detail, fix };
  } catch (error) {
    return unseen(project, "billing", "whether somebody pays", error);
  }
}

async function checkServices(project: string): Promise<CheckItem> {
  const item = { project, name: "APIs" };
  try {
    const names = UP_SERVICES.map((service) => `projects/${project}/services/${service}`);
    const { services = [] } = await call<{ services?: { name?: string; state?: string }[] }>(
      "serviceUsage",
      `projects/${project}/services:batchGet`,
      { query: { names } },
    );
    const on = services.filter(({ state }) => state === "ENABLED").map(({ name }) => name?.split("/").at(-1));
    const off = UP_SERVICES.filter((service) => !on.includes(service));
    if (off.length === 0) return { ...item, state: "ok", detail: `all ${UP_SERVICES.length} are on` };
    return {
      ...item,
      state: "later",
      detail: `${off.length} are off, up turns them on: ${off.join(", ")}`,
      fix: `gcloud services enable ${off.join(" ")} --project ${project}`,
    };
  } catch (error) {
    return unseen(project, "APIs", "which APIs are on", error);
  }
}

async function checkPermissions(project: string): Promise<CheckItem> {
  const item = { project, name: "your rights" };
  try {
    const { permissions: held = [] } = await call<{ permissions?: string[] }>(
      "resourceManager",
      `projects/${project}:testIamPermissions`,
      { method: "POST", body: { permissions: [...INSTRUCTOR_PERMISSIONS] } },
    );
    const lacking = INSTRUCTOR_PERMISSIONS.filter((permission) => !held.includes(permission));
    if (lacking.length === 0) return { ...item, state: "ok", detail: "enough for every course command" };
    const shown =
      lacking.length > 4 ? `${lacking.slice(0, 3).join(", ")} and ${lacking.length - 3} more` : lacking.join(", ");
    return {
      ...item,
      state: "missing",
      detail: `${lacking.length} of ${INSTRUCTOR_PERMISSIONS.length} are lacking: ${shown}`,
      fix: `gcloud projects add-iam-policy-binding ${project} --member user:YOU --role roles/owner (by its owner)`,
    };
  } catch (error) {
    return unseen(project, "your rights", "what you may do", error);
  }
}

/** Accounts that are there already, of whomever, take up the same room. */
async function checkAccounts(project: string, students: readonly Student[], course: Course): Promise<CheckItem> {
  const item = { project, name: "accounts" };
  try {
    const emails: string[] = [];
    await pages<{ accounts?: { email?: string }[]; nextPageToken?: string }>(
      "iam",
      `projects/${project}/serviceAccounts`,
      { query: { pageSize: "100" } },
      ({ accounts = [] }) => emails.push(...accounts.map(({ email = "" }) => email)),
    );
    const others = emails.filter((email) => !email.startsWith(`${course.name}-`)).length;
    const { most } = PROJECT_LIMITS.serviceAccounts;
    const need = students.length + 1;
    const detail = `${others} of others, ${need} of this course at most, ${most} is Google's usual limit`;
    if (others + need <= most) return { ...item, state: "ok", detail };
    return { ...item, state: "missing", detail, fix: quotaPage(project, "iam.googleapis.com") };
  } catch (error) {
    if (error instanceof Refused && error.disabled) {
      return { ...item, state: "later", detail: "the API is off, so that there are none; up turns it on" };
    }
    return unseen(project, "accounts", "which service accounts there are", error);
  }
}

/** The console's page on which a project's quotas are asked for. */
export function quotaPage(project: string, service = "compute.googleapis.com"): string {
  return `https://console.cloud.google.com/iam-admin/quotas?project=${project}&service=${service}`;
}
