import { createHash } from "node:crypto";

/** Longest names that Google takes, by kind of resource. */
export const LENGTHS = {
  environment: 20,
  instance: 63,
  /** Every compute resource's name: RFC 1035. */
  compute: 63,
  serviceAccount: 30,
  bucket: 63,
  label: 63,
  roleId: 64,
} as const;

/** The provider's automatic names are ours plus a hyphen and seven random hex digits, which stay in Pulumi's state. */
export const AUTOMATIC_SUFFIX = 8;

/** Words that separate an environment from what follows it, so that no environment's name may hold them as a segment. */
export const RESERVED_SEGMENTS = ["run", "img", "ws"] as const;

const ENVIRONMENT = /^[a-z][a-z0-9-]{2,18}[a-z0-9]$/;

/** Why a text cannot be an environment's name; `undefined` if it can. */
export function environmentProblem(name: string): string | undefined {
  if (!ENVIRONMENT.test(name)) {
    return (
      "must be 4 to 20 lower case letters, digits and hyphens, beginning with a letter and ending with a letter or digit, " +
      `because it begins every resource's name; got ${JSON.stringify(name)}${name.length < 4 || name.length > 20 ? ` (${name.length} characters)` : ""}`
    );
  }
  const reserved = name.split("-").find((segment) => (RESERVED_SEGMENTS as readonly string[]).includes(segment));
  if (reserved) {
    return `must not hold "${reserved}" between hyphens, because that word ends the environment's name in every machine's name; got ${JSON.stringify(name)}`;
  }
  if (/^goog|google|g00gle/.test(name)) {
    return `must not begin with "goog" or hold "google", because Google refuses such bucket names; got ${JSON.stringify(name)}`;
  }
  return undefined;
}

/** Shortens to `budget` characters; what is cut away is told apart by a hash, so that two long names stay two names. */
export function shorten(text: string, budget: number): string {
  if (text.length <= budget) return text;
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 6);
  return `${text.slice(0, budget - hash.length - 1).replace(/[-_.]+$/, "")}-${hash}`;
}

/** `mlt-` and the stack's name made legal. */
export function defaultEnvironment(stack: string): string {
  const segments = `mlt-${stack}`
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean)
    .map((segment) => ((RESERVED_SEGMENTS as readonly string[]).includes(segment) ? `${segment}0` : segment));
  const legal = segments.join("-").replace(/g(o|0)(o|0)gle/g, "ggl");
  return shorten(legal.length < 4 ? `${legal}-env`.slice(0, LENGTHS.environment) : legal, LENGTHS.environment);
}

/** What every training machine's name of this environment begins with. Ends in a separator, so that no other begins so. */
export function runPrefix(environment: string): string {
  return `${environment}-run-`;
}

/**
 * IAM condition that holds for this environment's training machines and nothing else. `extract` takes the machine's
 * name out of `projects/P/zones/Z/instances/NAME`, whatever the zone.
 */
export function machineCondition(environment: string): string {
  return (
    'resource.type == "compute.googleapis.com/Instance" && ' +
    `resource.name.extract("/instances/{name}").startsWith("${runPrefix(environment)}")`
  );
}

/**
 * IAM condition of the rights with which a student works: machines, their disks and their templates whose names begin
 * with the run prefix, and the one workstation. All three types are in Google's list of resource attributes
 * (cloud.google.com/iam/docs/conditions-resource-attributes); subnetworks and operations are not, so that no condition
 * of this kind ever fits those.
 */
export function studentCondition(environment: string): string {
  const begins = (type: string, plural: string): string =>
    `resource.type == "compute.googleapis.com/${type}" && ` +
    `resource.name.extract("/${plural}/{name}").startsWith("${runPrefix(environment)}")`;
  return (
    `${begins("Instance", "instances")} || ${begins("Disk", "disks")} || ${begins("InstanceTemplate", "instanceTemplates")} || ` +
    'resource.type == "compute.googleapis.com/Instance" && ' +
    `resource.name.extract("/instances/{name}") == "${workstationName(environment)}"`
  );
}

/**
 * What a training template's name begins with. A student's template bears the run prefix, like the machines that are
 * made of it, so that one condition fits both.
 */
export function templateBase(environment: string, scope: string): string {
  return scope === "student" ? runPrefix(environment).slice(0, -1) : environment;
}

/** The machines' service account: no random part, so that a student's is the same after every `up`. */
export function serviceAccountId(environment: string): string {
  return shorten(`${environment}-machines`, LENGTHS.serviceAccount);
}

/** The one workstation's name: `ws` is a word that no environment's name may hold. */
export function workstationName(environment: string): string {
  return `${environment}-ws`;
}

/** The workstation's own service account. */
export function workstationAccountId(environment: string): string {
  return shorten(`${environment}-workstation`, LENGTHS.serviceAccount);
}

/** The one GKE cluster's name; Google takes 40 characters. */
export function clusterName(environment: string): string {
  return `${environment}-kubeflow`;
}

/** The service account of the cluster's nodes. */
export function nodeAccountId(environment: string): string {
  return shorten(`${environment}-nodes`, LENGTHS.serviceAccount);
}

/** A member of a policy as a part of Pulumi's name for it: `user:Ann.B@example.org` → `user-ann-b-example-org-1f2e3d`. */
export function memberKey(member: string): string {
  const hash = createHash("sha256").update(member.toLowerCase()).digest("hex").slice(0, 6);
  return `${member
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)}-${hash}`;
}

/** A custom role's id: letters, digits, `_` and `.` only. `suffix` keeps it apart from a deleted role of this name. */
export function roleId(environment: string, role: string, suffix: string): string {
  const legal = (text: string): string => text.replace(/[^A-Za-z0-9_.]/g, "_");
  return legal(`${shorten(`${environment}_${role}`, LENGTHS.roleId - suffix.length - 1)}_${suffix}`);
}

/** The random part of an automatic name: what follows its last hyphen. */
export function automaticSuffix(name: string): string {
  return name.slice(name.lastIndexOf("-") + 1);
}
