import { ENVIRONMENT_LABEL, nameFits, readMark } from "../components/marks.ts";
import { UserError } from "../training/errors.ts";
import { Objects } from "../training/storage.ts";
import { type Bucket, bucketCost, listBuckets } from "./buckets.ts";
import { clusterDetail, clusterParts, type GkeCluster, listClusters, volumeOf } from "./clusters.ts";
import { COLLECTIONS, lastPart, listAll, pathOf, placeOf, type Thing } from "./compute.ts";
import { describe } from "./describe.ts";
import {
  type Account,
  accountIn,
  bindingsOf,
  listAccounts,
  listRoles,
  type Policy,
  type Role,
  readPolicy,
} from "./identity.ts";
import { looksLike } from "./lookalikes.ts";
import { EPHEMERAL_NAME, environmentExpiry, expired, isEphemeral, judgeMachine, type Machine } from "./past.ts";
import { APIS, each, Refused, type Service } from "./rest.ts";
import { readRun } from "./runs.ts";
import type { Gap, Inventory, Item, Kind, Lookalike, SoftDeleted } from "./types.ts";

export interface InventoryOptions {
  /** Only what is of this environment; whole names count, never their beginnings. */
  environment?: string;
  now?: () => number;
  /** Whether buckets' contents are counted for their price. @default true */
  sizes?: boolean;
}

/** Whatever has a name and may say whose it is. */
interface Candidate {
  kind: Kind;
  name: string;
  place: string;
  path: string;
  labels?: Record<string, string>;
  description?: string;
  created?: string;
  thing?: Thing;
  bucket?: Bucket;
}

/** What was read of a project: everybody's. */
interface Seen {
  candidates: Candidate[];
  roles: Role[];
  softDeleted: Bucket[];
  policy: Policy;
  clusters: GkeCluster[];
  gaps: Gap[];
}

const PROJECT = /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{3,28}[a-z0-9]$/;

/**
 * Everything of ours in a project: what stands, what it costs, and why it may go. Ours is what says so itself, by the
 * label `mlt-environment` or by a mark in its description and a name that fits; no state of Pulumi's is asked. A list
 * that may not be read is told in `gaps`, the others are read all the same. Throws `UserError` for a project of which
 * nothing can be seen.
 */
export async function inventory(project: string, options: InventoryOptions = {}): Promise<Inventory> {
  if (!PROJECT.test(project)) {
    throw new UserError(`A project is named by its id, such as my-project-1; got "${project.slice(0, 80)}".`);
  }
  const now = (options.now ?? Date.now)();
  const seen = await look(project);
  const { items, lookalikes } = sort(seen, options.environment);
  const bindings = ownBindings(project, seen, items, options.environment);
  items.push(...bindings.items);
  await judge(items, seen, now);
  const wanted = ({ environment }: { environment: string }) =>
    options.environment === undefined || environment === options.environment;
  const own = items.filter(wanted);
  if (options.sizes !== false) await priceBuckets(own, seen);
  return {
    project,
    at: new Date(now).toISOString(),
    ...(options.environment === undefined ? {} : { environment: options.environment }),
    items: own.sort(byPlace),
    softDeleted: softDeleted(seen.softDeleted).filter(wanted),
    lookalikes: [...lookalikes, ...bindings.lookalikes].filter(wanted),
    gaps: seen.gaps,
  };
}

const byPlace = (one: Item, other: Item): number =>
  one.environment.localeCompare(other.environment) || one.name.localeCompare(other.name);

/** Reads every list; one that is refused is a gap. */
async function look(project: string): Promise<Seen> {
  const seen: Seen = { candidates: [], roles: [], softDeleted: [], policy: {}, clusters: [], gaps: [] };
  let answered = 0;
  const refusals: Refused[] = [];
  const read = async (service: Service, what: string, permission: string, list: () => Promise<void>) => {
    try {
      await list();
      answered += 1;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // Where the API of clusters is off there are none; every other one is on where there is something of ours.
      if (service === "container" && error.disabled) return;
      refusals.push(error);
      seen.gaps.push(gap(service, what, permission, error));
    }
  };
  await Promise.all([
    ...COLLECTIONS.map((collection) => {
      const { kind, plural } = collection;
      return read("compute", plural, `compute.${plural}.list`, async () => {
        const { things, unreachable } = await listAll(project, collection);
        seen.candidates.push(...things.map((thing) => fromCompute(kind, thing)));
        if (unreachable.length > 0) {
          seen.gaps.push({ what: plural, why: `Google could not look into ${unreachable.join(", ")} just now` });
        }
      });
    }),
    read("container", "clusters", "container.clusters.list", async () => {
      const { clusters, unreachable } = await listClusters(project);
      seen.clusters = clusters;
      seen.candidates.push(...clusters.map((cluster) => fromCluster(cluster, project)));
      if (unreachable.length > 0) {
        seen.gaps.push({ what: "clusters", why: `Google could not look into ${unreachable.join(", ")} just now` });
      }
    }),
    read("storage", "buckets", "storage.buckets.list", async () => {
      const found = await listBuckets(project, false);
      seen.candidates.push(...found.map(fromBucket));
    }),
    read("storage", "soft-deleted buckets", "storage.buckets.list", async () => {
      seen.softDeleted = await listBuckets(project, true);
    }),
    read("iam", "service accounts", "iam.serviceAccounts.list", async () => {
      seen.candidates.push(...(await listAccounts(project)).map((account) => fromAccount(account, project)));
    }),
    read("iam", "custom roles", "iam.roles.list", async () => {
      seen.roles = await listRoles(project);
      seen.candidates.push(...seen.roles.filter(({ deleted }) => !deleted).map(fromRole));
    }),
    read("resourceManager", "the project's policy", "resourcemanager.projects.getIamPolicy", async () => {
      seen.policy = await readPolicy(project);
    }),
  ]);
  if (answered === 0) throw unseen(project, refusals);
  seen.gaps.sort((one, other) => one.what.localeCompare(other.what));
  return seen;
}

function gap(service: Service, what: string, permission: string, error: Refused): Gap {
  if (error.disabled) return { what, why: `${APIS[service]} is not enabled`, api: APIS[service] };
  if (error.status === 403) return { what, why: `not allowed (${error.message})`, permission };
  return { what, why: `${error.status}: ${error.message}` };
}

function unseen(project: string, refusals: readonly Refused[]): UserError {
  const missing = refusals.find(({ status, disabled }) => status === 404 && !disabled);
  const [first] = missing ? [missing] : refusals;
  return new UserError(
    `Nothing can be seen of the project ${project}: ${first?.message ?? "no answer"}\nCheck its id (gcloud projects list) and the account that you are logged in as; looking needs the role Viewer (roles/viewer) and Security Reviewer (roles/iam.securityReviewer).`,
  );
}

function fromCompute(kind: Kind, thing: Thing): Candidate {
  const path = pathOf(thing.selfLink);
  const { name, description, creationTimestamp: created } = thing;
  // A template has no labels of its own: those of its machines stand in it.
  const { labels } = kind === "template" ? ((thing.properties ?? {}) as Pick<Thing, "labels">) : thing;
  return { kind, name, place: placeOf(path), path, description, created, thing, ...(labels ? { labels } : {}) };
}

function fromCluster(cluster: GkeCluster, project: string): Candidate {
  const { name, location, description, resourceLabels: labels, createTime: created, status } = cluster;
  const path = `projects/${project}/locations/${location}/clusters/${name}`;
  const thing = { name, selfLink: path, ...(status ? { status } : {}), detail: clusterDetail(cluster) };
  return { kind: "cluster", name, place: location, path, description, created, thing, ...(labels ? { labels } : {}) };
}

function fromBucket(bucket: Bucket): Candidate {
  const { name, labels, timeCreated: created } = bucket;
  return { kind: "bucket", name, place: bucket.location.toLowerCase(), path: name, labels, created, bucket };
}

function fromAccount({ email, description }: Account, project: string): Candidate {
  const path = `projects/${project}/serviceAccounts/${email}`;
  return { kind: "serviceAccount", name: email, place: "global", path, description };
}

function fromRole({ name, description }: Role): Candidate {
  return { kind: "role", name: lastPart(name), place: "global", path: name, description };
}

/** Ours and what only looks so. */
function sort(seen: Seen, asked: string | undefined): { items: Item[]; lookalikes: Lookalike[] } {
  const items: Item[] = [];
  const others: Candidate[] = [];
  const lookalikes: Lookalike[] = [];
  const { folded, orphans } = clusterParts(seen.candidates, seen.clusters, ownNetworks(seen));
  for (const candidate of seen.candidates) {
    if (folded.has(candidate.path)) continue;
    const orphan = orphans.get(candidate.path);
    if (orphan) {
      items.push({ ...toItem(candidate, orphan), past: "its cluster is gone", pastByItself: true });
      continue;
    }
    const volume = volumeOf(candidate);
    if (volume) {
      items.push(toItem(candidate, volume));
      continue;
    }
    const label = candidate.labels?.[ENVIRONMENT_LABEL];
    const mark = readMark(candidate.description);
    if (label) items.push(toItem(candidate, label));
    else if (!mark) others.push(candidate);
    else if ([mark.environment, mark.student].some((name) => name && nameFits(candidate.name, name))) {
      items.push(toItem(candidate, mark.environment));
    } else {
      const why = `its description says environment ${mark.environment}, its name does not`;
      lookalikes.push({ ...shown(candidate), environment: mark.environment, why });
    }
  }
  addNodes(items, seen, folded);
  const known = new Set(items.map(({ environment }) => environment));
  if (asked !== undefined) known.add(asked);
  for (const candidate of others) {
    const environment = looksLike(candidate.kind, candidate.name, [...known]);
    if (environment) {
      const why = "its name looks like ours, but it carries no label and no mark";
      lookalikes.push({ ...shown(candidate), environment, why });
    }
  }
  return { items, lookalikes };
}

/** Our networks by path, and whose each is. */
function ownNetworks({ candidates }: Seen): Map<string, string> {
  const own = new Map<string, string>();
  for (const { kind, name, path, description } of candidates) {
    const mark = kind === "network" ? readMark(description) : undefined;
    if (mark && nameFits(name, mark.environment)) own.set(path, mark.environment);
  }
  return own;
}

/** A cluster costs what its nodes and their disks cost, besides its control plane. */
function addNodes(items: Item[], seen: Seen, folded: ReadonlyMap<string, string>): void {
  for (const item of items) {
    if (item.kind !== "cluster") continue;
    for (const { kind, path, thing } of seen.candidates) {
      if (folded.get(path) !== item.name || !thing) continue;
      const { perMonth } = describe(kind, thing);
      if (perMonth === undefined) item.atLeast = true;
      else item.perMonth = Math.round(((item.perMonth ?? 0) + perMonth) * 100) / 100;
    }
  }
}

const shown = ({ kind, name, place }: Candidate) => ({ kind, name, place });

function toItem({ kind, name, place, path, created, thing, labels }: Candidate, environment: string): Item {
  const run = labels?.["mlt-run"];
  const metadata = (thing?.metadata as { items?: { key: string; value?: string }[] } | undefined)?.items ?? [];
  const bucket = metadata.find(({ key }) => key === "mlt-bucket")?.value;
  const of = kind === "machine" && run && { id: run, attempt: Number(labels["mlt-attempt"] ?? 1), bucket };
  return {
    kind,
    environment,
    name,
    place,
    path,
    ...(thing ? describe(kind, thing) : kind === "bucket" ? {} : { perMonth: 0 }),
    ...(created ? { created } : {}),
    ...(of ? { run: of } : {}),
  };
}

/**
 * Roles on the project that name something of ours: our custom roles, whoever has them (people and Google's own agents,
 * too), and our service accounts, deleted ones as well. A deleted account says nothing more of itself: its role does, or
 * the condition.
 */
function ownBindings(
  project: string,
  seen: Seen,
  items: readonly Item[],
  asked: string | undefined,
): { items: Item[]; lookalikes: Lookalike[] } {
  const accounts = new Map(items.filter(({ kind }) => kind === "serviceAccount").map((item) => [item.name, item]));
  const roles = new Map(seen.roles.map(({ name, description }) => [name, ownRole(name, description)]));
  const environments = [
    ...new Set([...items.map((item) => item.environment), ...(asked === undefined ? [] : [asked])]),
  ];
  const own: Item[] = [];
  const lookalikes: Lookalike[] = [];
  for (const binding of bindingsOf(seen.policy)) {
    const account = accountIn(binding.member);
    const ofProject = account?.email.endsWith(`@${project}.iam.gserviceaccount.com`) === true;
    const who = account ? `${account.email}${account.deleted ? " (deleted)" : ""}` : binding.member;
    const name = `${lastPart(binding.role)} of ${who}`;
    const living = account && !account.deleted ? accounts.get(account.email)?.environment : undefined;
    const gone = ofProject && account?.deleted ? readMark(binding.condition?.description)?.environment : undefined;
    const environment = roles.get(binding.role) ?? living ?? gone;
    if (environment) {
      const path = `projects/${project}`;
      own.push({ kind: "binding", environment, name, place: "global", path, binding, perMonth: 0 });
    } else if (ofProject && account?.deleted) {
      const meant = looksLike("serviceAccount", account.email, environments);
      const why = "its deleted account's name looks like ours, but neither its role nor its condition carries a mark";
      if (meant) lookalikes.push({ kind: "binding", name, place: "global", environment: meant, why });
    }
  }
  return { items: own, lookalikes };
}

function ownRole(name: string, description: string | undefined): string | undefined {
  const environment = readMark(description)?.environment;
  return environment && nameFits(lastPart(name), environment) ? environment : undefined;
}

/** Says of each item whether it may go, and why. */
async function judge(items: Item[], seen: Seen, now: number): Promise<void> {
  const raw = new Map(seen.candidates.map((candidate) => [candidate.path, candidate]));
  const machines = items.filter(({ kind }) => kind === "machine");
  const objects = new Objects();
  await each(machines, 10, async (item) => {
    const machine = raw.get(item.path)?.thing as Machine | undefined;
    if (!machine || !isEphemeral(machine)) return;
    const record = item.run?.bucket ? await readRun(objects, item.run.bucket, item.run.id) : {};
    const { live, deadline, past } = judgeMachine(machine, record, now);
    if (deadline) item.deadline = deadline;
    if (live) item.live = true;
    if (past) Object.assign(item, { past, pastByItself: true });
  });
  const there = new Set(machines.map(({ name }) => name));
  for (const item of items) {
    if (item.kind !== "disk" || there.has(item.name) || !EPHEMERAL_NAME.test(item.name)) continue;
    const users = (raw.get(item.path)?.thing?.users ?? []) as string[];
    if (users.length === 0) Object.assign(item, { past: "its machine is gone", pastByItself: true });
  }
  for (const environment of new Set(items.map((item) => item.environment))) {
    const own = items.filter((item) => item.environment === environment);
    const labelled = own
      .filter(({ kind }) => kind !== "machine" && raw.size > 0)
      .map(({ kind, path }) => ({ kind, labels: raw.get(path)?.labels }))
      .filter(({ labels }) => labels?.[ENVIRONMENT_LABEL] !== undefined)
      .map(({ kind, labels }) => ({ kind, expires: labels?.expires }));
    const past = expired(environmentExpiry(labelled), now);
    if (past) for (const item of own) if (!item.live) item.past ??= past;
  }
}

async function priceBuckets(items: Item[], seen: Seen): Promise<void> {
  const raw = new Map(seen.candidates.map(({ path, bucket }) => [path, bucket]));
  await each(
    items.filter(({ kind }) => kind === "bucket"),
    4,
    async (item) => {
      const bucket = raw.get(item.path);
      if (bucket) Object.assign(item, await bucketCost(bucket));
    },
  );
}

function softDeleted(buckets: readonly Bucket[]): SoftDeleted[] {
  return buckets.flatMap(({ name, generation, location, labels, softDeleteTime, hardDeleteTime, ...rest }) => {
    const environment = labels?.[ENVIRONMENT_LABEL];
    if (!environment) return [];
    const [deleted, until] = [softDeleteTime ?? "", hardDeleteTime ?? ""];
    const restorable = rest.hierarchicalNamespace?.enabled !== true;
    return [{ name, environment, generation, location: location.toLowerCase(), deleted, until, restorable }];
  });
}
