import { messageOf, UserError } from "../training/errors.ts";
import { changeStatus, isTerminal } from "../training/status.ts";
import { Objects } from "../training/storage.ts";
import { deleteBucket } from "./buckets.ts";
import { COLLECTIONS, listAll, pathOf } from "./compute.ts";
import { readPolicy, without, writePolicy } from "./identity.ts";
import { call, each, Refused } from "./rest.ts";
import { endRun } from "./runs.ts";
import type { Inventory, Item, Kind } from "./types.ts";
import type { Plan } from "./verdict.ts";

/** Who needs whom: what is in a later group is used by what is in an earlier one. Within a group all go at once. */
const GROUPS: readonly (readonly Kind[])[] = [
  // A cluster first: it makes its nodes again as long as it is there, and volumes' disks are in use until it is gone.
  ["cluster"],
  ["machine"],
  ["disk", "address", "template", "schedule", "snapshot", "image", "router", "firewall", "binding"],
  ["subnetwork", "serviceAccount", "role"],
  ["network"],
  ["bucket"],
];

const AT_ONCE = 10;
/** Google goes on for a while to count what was just deleted as a user of what it used. */
const IN_USE_MS = 2 * 60_000;
const OPERATION_MS = 10 * 60_000;
const CLUSTER_MS = 30 * 60_000;

export interface RemoveOptions {
  /** One line about what goes on. */
  progress?: (line: string) => void;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
}

export interface Removal {
  removed: Item[];
  /** What could not be removed, and Google's reason. */
  failed: { item: Item; why: string }[];
  /** What came into use since it was listed. */
  kept: { item: Item; why: string }[];
}

/**
 * Removes what a plan says, users before what they use, several at a time; what is gone already counts as removed. A
 * failure ends nothing: it is told at the end with Google's reason.
 */
export async function remove(inventory: Inventory, plan: Plan, options: RemoveOptions = {}): Promise<Removal> {
  const run: Run = {
    project: inventory.project,
    say: options.progress ?? (() => undefined),
    now: options.now ?? Date.now,
    sleep: options.sleep ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))),
    troubled: new Set(),
  };
  const result: Removal = { removed: [], failed: [], kept: [] };
  const wanted = inventory.environment === undefined ? await stillIdle(inventory, plan, result) : plan.remove;
  for (const kinds of GROUPS) {
    const group = wanted.filter(({ kind }) => kinds.includes(kind));
    const bindings = group.filter(({ kind }) => kind === "binding");
    const outcomes = await Promise.all([
      removeBindings(run, bindings).then((why) => bindings.map((item) => ({ item, why }))),
      each(
        group.filter(({ kind }) => kind !== "binding"),
        AT_ONCE,
        async (item) => ({ item, why: await removeOne(run, item) }),
      ),
    ]);
    for (const { item, why } of outcomes.flat()) {
      if (why === undefined) result.removed.push(item);
      else {
        result.failed.push({ item, why });
        run.troubled.add(item.environment);
      }
    }
  }
  return result;
}

interface Run {
  project: string;
  say: (line: string) => void;
  now: () => number;
  sleep: (milliseconds: number) => Promise<void>;
  /** Environments of which something could not be removed: what it uses will not come free by waiting. */
  troubled: Set<string>;
}

/** Between the listing and the answer to "remove it?" somebody may have started a machine: its environment is left alone. */
async function stillIdle(inventory: Inventory, plan: Plan, result: Removal): Promise<Item[]> {
  const shared = plan.remove.filter(({ pastByItself }) => !pastByItself);
  const machines = COLLECTIONS.find(({ kind }) => kind === "machine");
  if (shared.length === 0 || !machines) return plan.remove;
  const known = new Set(inventory.items.map(({ path }) => path));
  const { things } = await listAll(inventory.project, machines);
  const fresh = new Map(
    things
      .filter(({ selfLink }) => !known.has(pathOf(selfLink)))
      .map(({ name, labels }) => [labels?.["mlt-environment"], name]),
  );
  return plan.remove.filter((item) => {
    const name = fresh.get(item.environment);
    if (name === undefined || item.pastByItself) return true;
    result.kept.push({ item, why: `${name} was started in ${item.environment} in the meantime` });
    return false;
  });
}

/** Removes one thing; the reason where it cannot be. */
async function removeOne(run: Run, item: Item): Promise<string | undefined> {
  const started = run.now();
  for (let pause = 1000; ; pause = Math.min(10_000, pause * 2)) {
    try {
      if (item.live) await announce(item);
      await deletion(run, item);
      run.say(`removed ${item.kind} ${item.name}`);
      if (item.kind === "machine") await endRun(item, run.now());
      return undefined;
    } catch (error) {
      const waits = isInUse(error) && !run.troubled.has(item.environment);
      if (waits && run.now() - started + pause < IN_USE_MS) {
        if (pause === 1000) run.say(`${item.kind} ${item.name} is still in use; trying again`);
        await run.sleep(pause);
        continue;
      }
      if (error instanceof UserError && !(error instanceof Refused)) throw error;
      const why = messageOf(error);
      run.say(`${item.kind} ${item.name} stays: ${why}`);
      return why;
    }
  }
}

/** A machine that works is told of its end first, so that its run ends as cancelled and not as lost. */
async function announce({ run }: Item): Promise<void> {
  if (!run?.bucket) return;
  await changeStatus(new Objects(), run.bucket, run.id, "launcher", (status) =>
    status.attempt !== run.attempt || isTerminal(status, 0) ? undefined : { ...status, cancelRequested: true },
  ).catch(() => undefined);
}

async function deletion(run: Run, item: Item): Promise<void> {
  if (item.kind === "bucket") return deleteBucket(item.name);
  if (item.kind === "cluster") return deleteCluster(run, item);
  const iam = item.kind === "serviceAccount" || item.kind === "role";
  try {
    const answer = await call<Operation>(iam ? "iam" : "compute", item.path, { method: "DELETE" });
    if (!iam) await finished(run, answer);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
  }
}

interface GkeOperation {
  name?: string;
  status?: string;
  statusMessage?: string;
}

async function deleteCluster(run: Run, { path }: Item): Promise<void> {
  const started = run.now();
  try {
    let operation = await call<GkeOperation>("container", path, { method: "DELETE" });
    const operations = `${path.slice(0, path.indexOf("/clusters/"))}/operations`;
    for (let pause = 200; operation.status !== "DONE"; pause = Math.min(10_000, pause * 1.5)) {
      if (run.now() - started > CLUSTER_MS) {
        throw new Refused(504, [], `the deletion is not done after ${CLUSTER_MS / 60_000} minutes`);
      }
      await run.sleep(pause);
      operation = await call<GkeOperation>("container", `${operations}/${operation.name}`);
    }
    if (operation.statusMessage) throw new Refused(400, [], operation.statusMessage);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
  }
}

interface Operation {
  status?: string;
  selfLink?: string;
  error?: { errors?: { code?: string; message?: string }[] };
}

async function finished(run: Run, first: Operation): Promise<void> {
  const started = run.now();
  let operation = first;
  for (let pause = 200; operation.status !== "DONE"; pause = Math.min(3000, pause * 1.5)) {
    if (run.now() - started > OPERATION_MS) {
      throw new Refused(504, [], `the deletion is not done after ${OPERATION_MS / 60_000} minutes`);
    }
    await run.sleep(pause);
    operation = await call<Operation>("compute", pathOf(String(operation.selfLink)));
  }
  const errors = operation.error?.errors ?? [];
  if (errors.length === 0) return;
  const codes = errors.map(({ code }) => code ?? "");
  throw new Refused(400, codes, errors.map(({ message, code }) => message ?? code ?? "unknown error").join("; "));
}

/** Another resource still uses it, or something is being done to it: a little later it may go. */
function isInUse(error: unknown): boolean {
  if (!(error instanceof Refused)) return false;
  // GKE does one thing at a time with a cluster.
  if (/incompatible operation/i.test(error.message)) return true;
  return error.reasons.some((reason) => /^resource_?(in_?use|not_?ready|operation_?rate)/i.test(reason));
}

/** All of them in one write: each write of the project's policy replaces the whole. */
async function removeBindings(run: Run, items: readonly Item[]): Promise<string | undefined> {
  if (items.length === 0) return undefined;
  const gone = items.flatMap(({ binding }) => binding ?? []);
  for (let round = 1; ; round += 1) {
    try {
      await writePolicy(run.project, without(await readPolicy(run.project), gone));
      for (const { name } of items) run.say(`removed binding ${name}`);
      return undefined;
    } catch (error) {
      // Somebody else wrote the policy in between.
      if (error instanceof Refused && error.status === 409 && round < 6) {
        await run.sleep(500 * 2 ** round);
        continue;
      }
      if (!(error instanceof Refused)) throw error;
      run.say(`the roles on the project stay: ${error.message}`);
      return error.message;
    }
  }
}
