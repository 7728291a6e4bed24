import { fileURLToPath } from "node:url";
import type { OpenEnvironment } from "../../training/environment.ts";
import { messageOf, pausing, UserError } from "../../training/errors.ts";
import { follow } from "../../training/follow.ts";
import { actFor } from "../../training/impersonate.ts";
import { readPackage } from "../../training/package.ts";
import { planRun, startRun } from "../../training/submit.ts";
import type { Course, Outcome, Student } from "../contract.ts";
import { down } from "../down.ts";
import { findEnvironments } from "../environments.ts";
import { standingPlaces } from "../freeze.ts";
import { limitsOf } from "../machines.ts";
import { CANARY_ID } from "../names.ts";
import { type OpenCourse, openCourse } from "../open.ts";
import { SILENT } from "../progress.ts";
import { readRecord } from "../record.ts";
import type { CourseRunOptions } from "../run.ts";
import { up } from "../up.ts";
import { censusFiles } from "./canaryData.ts";
import type { CheckItem } from "./checkItem.ts";

export interface CanaryOptions extends Pick<CourseRunOptions, "signal" | "progress" | "engine"> {
  /** The package that is trained. @default examples/census, on made-up rows */
  package?: string;
  /** How long a right may take until it is felt, milliseconds. @default 10 minutes */
  patienceMs?: number;
}

const CENSUS = fileURLToPath(new URL("../../examples/census", import.meta.url));
const PATIENCE_MS = 10 * 60_000;
/** The canary's time limit, hours: its training takes a minute. */
const MAX_HOURS = 1;

/**
 * One student's whole way: an environment of its own comes up, a training runs in it as its service account, everything
 * goes again. The student has an id that nobody else may have, and the first instructor's Google account.
 */
export async function checkCanary(opened: OpenCourse, options: CanaryOptions): Promise<CheckItem[]> {
  const { course } = opened;
  const { signal, progress = SILENT } = options;
  const student = canaryOf(course);
  if (!student) {
    const detail = "no instructor in course.yaml is a user: or group:, whose rights the canary could have";
    return [{ name: "canary", state: "unknown", detail }];
  }
  const items: CheckItem[] = [];
  const alone = { ...opened, students: [student] };
  try {
    const run = await up(alone, {
      only: [CANARY_ID],
      signal,
      progress,
      ...(options.engine ? { engine: options.engine } : {}),
    });
    items.push(ended("canary up", run.outcomes));
    if (items.at(-1)?.state === "ok") items.push(await train(course, student, options));
  } finally {
    items.push(await takeDown(course, options));
  }
  return items;
}

/** The first instructor stands in for a student. */
export function canaryOf({ instructors }: Pick<Course, "instructors">): Student | undefined {
  const member = instructors.find((each) => /^(user|group):/.test(each));
  return member === undefined ? undefined : { id: CANARY_ID, name: "Canary", member, overrides: {}, line: 0 };
}

function ended(name: string, outcomes: readonly Outcome[]): CheckItem {
  const wrong = outcomes.find(({ result }) => result === "failed" || result === "skipped");
  if (wrong) return { name, state: "missing", detail: `${wrong.stack}: ${wrong.reason ?? wrong.result}` };
  const seconds = outcomes.reduce((sum, each) => sum + each.seconds, 0);
  return { name, state: "ok", detail: `${outcomes.length} stacks, ${seconds.toFixed(0)} s` };
}

async function train(course: Course, student: Student, options: CanaryOptions): Promise<CheckItem> {
  const name = "canary trains";
  const { signal, progress = SILENT } = options;
  const folder = options.package ?? CENSUS;
  const started = Date.now();
  try {
    const { places } = await readRecord(course);
    const place = places[CANARY_ID];
    const [found] = place ? await findEnvironments([place]) : [];
    const { environment } = found ?? {};
    if (!environment) return { name, state: "missing", detail: found?.problem ?? "its environment is not to be found" };
    if (folder === CENSUS) await putCensus(environment);
    const { manifest } = await readPackage(folder);
    const { machineTypes, maxHours } = limitsOf(course, student);
    const flags = {
      ...(machineTypes[0] ? { machineType: machineTypes[0] } : {}),
      maxHours: Math.min(maxHours, MAX_HOURS),
      maxRestarts: 1,
      progress: (line: string) => progress.say(line),
      ...(signal ? { signal } : {}),
    };
    actFor(environment);
    const plan = await planRun(environment, folder, manifest.sample?.arguments ?? [], flags);
    const first = await patiently(() => startRun(environment, plan, flags), options);
    const last = await follow(environment, first.id, () => undefined, { logs: false, ...(signal ? { signal } : {}) });
    const seconds = Math.round((Date.now() - started) / 1000);
    if (last.phase === "succeeded") {
      const by = environment.student?.impersonate ? " as the student's service account" : "";
      return { name, state: "ok", detail: `${manifest.name}${by}, ${seconds} s` };
    }
    return {
      name,
      state: "missing",
      detail: `${last.id} ended as ${last.phase}: ${last.reason ?? "without a reason"}`,
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, state: "missing", detail: messageOf(error) };
  } finally {
    actFor({ environment: "", serviceAccount: "" });
  }
}

/** A grant takes some minutes until it is felt everywhere. */
async function patiently<T>(
  work: () => Promise<T>,
  { signal, progress = SILENT, patienceMs = PATIENCE_MS }: CanaryOptions,
): Promise<T> {
  const until = Date.now() + patienceMs;
  for (let told = false; ; told = true) {
    try {
      return await work();
    } catch (error) {
      const refused = error instanceof UserError && / was refused \(403\)/.test(error.message);
      if (!refused || signal?.aborted || Date.now() > until) throw error;
      if (!told) progress.say("canary: its rights are not felt yet; asking again for some minutes");
      await pausing(15_000, signal);
    }
  }
}

async function putCensus({ objects, buckets }: OpenEnvironment): Promise<void> {
  for (const [name, text] of Object.entries(censusFiles())) {
    await objects.write(buckets.data, `input/census/${name}`, text, { contentType: "text/csv" });
  }
}

/** Only the canary's own stack goes if anybody else's stands; else nothing of the course stays. */
async function takeDown({ folder }: Course, { progress = SILENT, engine }: CanaryOptions): Promise<CheckItem> {
  const name = "canary down";
  try {
    const opened = await openCourse(folder);
    const standing = standingPlaces(opened.record);
    const more = { progress, ...(engine ? { engine } : {}) };
    if (standing.every(({ id }) => id === CANARY_ID)) {
      const { outcomes, proof } = await down(opened, more);
      const item = ended(name, outcomes);
      if (item.state !== "ok" || !proof || proof.code === 0) return item;
      const left = proof.left.map((each) => each.name).join(", ");
      return {
        name,
        state: "missing",
        detail: `this is left: ${left || proof.gaps.join("; ")}`,
        fix: "mlt course down",
      };
    }
    const { outcomes } = await up({ ...opened, students: [] }, { ...more, only: [], remove: [CANARY_ID] });
    return ended(name, outcomes);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, state: "missing", detail: messageOf(error), fix: "mlt course check again, or mlt course down" };
  }
}
