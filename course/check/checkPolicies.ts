import { call, Refused } from "../../cleanup/rest.ts";
import type { Course, Student } from "../contract.ts";
import { workstationOf } from "../machines.ts";
import { people } from "../plan.ts";
import { type CheckItem, unseen } from "./checkItem.ts";

interface Rule {
  allowAll?: boolean;
  denyAll?: boolean;
  enforce?: boolean;
  values?: { allowedValues?: string[]; deniedValues?: string[] };
}

interface Situation {
  project: string;
  course: Course;
  students: readonly Student[];
  /** Students whose addresses are in none of the instructors' domains. */
  outside: readonly Student[];
  /** The organization's number; absent: the project is in none. */
  organization?: string;
}

type Judge = (rules: readonly Rule[], situation: Situation) => Omit<CheckItem, "project" | "name"> | undefined;

const on: (rules: readonly Rule[]) => boolean = (rules) => rules.some(({ enforce }) => enforce);
const free: (rules: readonly Rule[]) => boolean = (rules) => rules.some(({ allowAll }) => allowAll);
const allowed = (rules: readonly Rule[]): string[] => rules.flatMap(({ values }) => values?.allowedValues ?? []);

/** Google's projects that our machines' images come from. */
const IMAGE_PROJECTS = ["ubuntu-os-cloud", "debian-cloud", "deeplearning-platform-release"];

/** The constraints that a course would meet; each says what it means for this one, or nothing. */
const JUDGES: Readonly<Record<string, Judge>> = {
  "iam.allowedPolicyMemberDomains": (rules, { outside, project }) => {
    if (free(rules)) return undefined;
    const who = allowed(rules).join(", ") || "nobody";
    if (outside.length === 0) {
      return { state: "warn", detail: `only members of ${who} get rights; all students have addresses like yours` };
    }
    return {
      state: "missing",
      detail: `only members of ${who} get rights: ${people(outside.map(({ id }) => id))} (${domains(outside)}) would be refused`,
      fix: `have the organization's administrator admit them for ${project}, or use addresses of the organization: https://console.cloud.google.com/iam-admin/orgpolicies/iam-allowedPolicyMemberDomains?project=${project}`,
    };
  },
  "iam.managed.allowedPolicyMembers": (rules, { project }) =>
    on(rules)
      ? {
          state: "warn",
          detail:
            "only members that the organization has listed get rights; whether the students are, only the canary and up will tell",
          fix: `https://console.cloud.google.com/iam-admin/orgpolicies/iam-managed-allowedPolicyMembers?project=${project}`,
        }
      : undefined,
  "compute.vmExternalIpAccess": (rules, { course, project, students }) => {
    const wanting = students.filter((student) => {
      const settings = workstationOf(course, student);
      return settings && settings.externalIp === true;
    });
    if (free(rules) || wanting.length === 0) return undefined;
    return {
      state: "missing",
      detail: `machines get no public address, and course.yaml asks for one (workstation.externalIp)`,
      fix: `take externalIp away: mlt ssh and jupyter need none; or https://console.cloud.google.com/iam-admin/orgpolicies/compute-vmExternalIpAccess?project=${project}`,
    };
  },
  "compute.restrictCloudNATUsage": (rules, { project }) =>
    free(rules)
      ? undefined
      : {
          state: rules.some(({ denyAll }) => denyAll) ? "missing" : "warn",
          detail: "Cloud NAT is restricted: without it no machine reaches the packages that a training installs",
          fix: `https://console.cloud.google.com/iam-admin/orgpolicies/compute-restrictCloudNATUsage?project=${project}`,
        },
  "compute.trustedImageProjects": (rules, { project }) => {
    if (free(rules)) return undefined;
    const listed = allowed(rules).map((value) => value.split("/").at(-1) ?? "");
    const lacking = IMAGE_PROJECTS.filter((each) => !listed.includes(each));
    if (lacking.length === 0) return undefined;
    return {
      state: lacking.includes("ubuntu-os-cloud") ? "missing" : "warn",
      detail: `machines may not be made from images of ${lacking.join(", ")}`,
      fix: `https://console.cloud.google.com/iam-admin/orgpolicies/compute-trustedImageProjects?project=${project}`,
    };
  },
  "gcp.resourceLocations": (rules, { course, project }) => {
    if (free(rules)) return undefined;
    const values = allowed(rules);
    const area = course.region.split("-")[0] ?? "";
    // Groups are named in:us-locations, in:us-central1-locations, in:eu-locations …
    const named = values.some((value) => value.includes(course.region) || value === "in:global-locations");
    const perhaps = values.some((value) => value.startsWith(`in:${area === "europe" ? "eu" : area}-`));
    if (named || perhaps) return undefined;
    return {
      state: "missing",
      detail: `resources may be made in ${values.join(", ") || "no place"} only, and the course's region is ${course.region}`,
      fix: `another region in course.yaml, or https://console.cloud.google.com/iam-admin/orgpolicies/gcp-resourceLocations?project=${project}`,
    };
  },
  "iam.disableServiceAccountCreation": (rules, { project }) =>
    on(rules)
      ? {
          state: "missing",
          detail: "no service accounts may be made, and each student gets one",
          fix: `https://console.cloud.google.com/iam-admin/orgpolicies/iam-disableServiceAccountCreation?project=${project}`,
        }
      : undefined,
  "compute.requireOsLogin": () => undefined,
};

/** Organization policies that would bite this course in a project. One item if there is nothing. */
export async function checkPolicies(
  course: Course,
  project: string,
  students: readonly Student[],
): Promise<CheckItem[]> {
  const name = "policies";
  const situation: Situation = { course, project, students, outside: outsiders(course, students) };
  const items: CheckItem[] = [];
  try {
    situation.organization = await organizationOf(project);
  } catch (error) {
    items.push(unseen(project, name, "which organization the project is in", error));
  }
  const answers = await Promise.all(
    Object.entries(JUDGES).map(async ([constraint, judge]): Promise<CheckItem | undefined> => {
      try {
        const path = `projects/${project}/policies/${constraint}:getEffectivePolicy`;
        const { spec } = await call<{ spec?: { rules?: Rule[] } }>("orgPolicy", path, { quotaProject: project });
        const found = judge(spec?.rules ?? [{ allowAll: true, enforce: false }], situation);
        return found && { project, name: constraint, ...found };
      } catch (error) {
        // A constraint that Google does not know (any more) restricts nothing.
        if (error instanceof Refused && error.status === 404 && !error.disabled) return undefined;
        return unseen(project, name, "organization policies", error);
      }
    }),
  );
  for (const item of answers) {
    if (item && !items.some(({ name: known, detail }) => known === item.name && detail === item.detail))
      items.push(item);
  }
  const login = osLogin(situation);
  if (login) items.push(login);
  return items.length > 0 ? items : [{ project, name, state: "ok", detail: "none that a course would meet" }];
}

/**
 * In an organization, people from elsewhere reach machines with OS Login only if they have this role on the organization
 * itself; a project without one has no such rule (OS Login, "Grant instance access to users outside of your organization").
 * A service account of the project is no stranger to it: that is what `mlt` connects as.
 */
function osLogin({ course, project, outside, organization }: Situation): CheckItem | undefined {
  if (organization === undefined) return undefined;
  const stations = outside.filter((student) => workstationOf(course, student) !== false);
  if (stations.length === 0) return undefined;
  const [first] = stations;
  return {
    project,
    name: "osLoginExternalUser",
    state: "warn",
    detail: `${people(stations.map(({ id }) => id))} (${domains(stations)}): from outside the organization ${organization}, as it seems. mlt ssh and jupyter go in as the student's service account and need nothing more; who connects without mlt, as the person, needs a role there`,
    fix: `gcloud organizations add-iam-policy-binding ${organization} --member ${first?.member} --role roles/compute.osLoginExternalUser (best for one group of all students)`,
  };
}

async function organizationOf(project: string): Promise<string | undefined> {
  const { ancestor = [] } = await call<{ ancestor?: { resourceId?: { type?: string; id?: string } }[] }>(
    "resourceManager",
    `projects/${project}:getAncestry`,
    { method: "POST", body: {} },
  );
  return ancestor.find(({ resourceId }) => resourceId?.type === "organization")?.resourceId?.id;
}

const domainOf = (member: string): string => member.slice(member.lastIndexOf("@") + 1).toLowerCase();

/** Which organization an address belongs to nobody here may ask; the instructors' own domains stand in for it. */
function outsiders({ instructors }: Course, students: readonly Student[]): Student[] {
  const own = new Set(instructors.filter((member) => !member.startsWith("serviceAccount:")).map(domainOf));
  return students.filter(({ member }) => !own.has(domainOf(member)));
}

function domains(students: readonly Student[]): string {
  const found = [...new Set(students.map(({ member }) => domainOf(member)))].sort();
  return found.length > 3 ? `${found.slice(0, 3).join(", ")}, …` : found.join(", ");
}
