import { each } from "../cleanup/rest.ts";
import { messageOf, pausing, UserError } from "../training/errors.ts";
import { Machine } from "../workstation/machine.ts";
import type { Outcome } from "./contract.ts";
import { type Found, findEnvironments } from "./environments.ts";
import { isFrozen, standingPlaces } from "./freeze.ts";
import { chosen } from "./only.ts";
import type { OpenCourse } from "./open.ts";
import { type Progress, SILENT } from "./progress.ts";

export interface PowerOptions {
  only?: readonly string[];
  /** Starts a minute: Google's quotas for changes, and a zone's room, are not met all at once. */
  perMinute?: number;
  signal?: AbortSignal;
  progress?: Progress;
  sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

/** Machines that may be on their way at the same time: each start takes most of a minute. */
const AT_ONCE = 24;

/** Starts the students' workstations, no faster than so many a minute. Those of frozen students stay off. */
export async function warm(opened: OpenCourse, options: PowerOptions = {}): Promise<Outcome[]> {
  const { perMinute = 20, sleep = pausing, signal } = options;
  const gap = 60_000 / perMinute;
  let next = 0;
  return forWorkstations(opened, "Starting workstations", options, async (machine, frozen) => {
    if (frozen) return { result: "skipped", reason: "frozen: mlt course freeze --undo gives the right back" };
    const instance = await machine.look();
    if (!instance) return { result: "skipped", reason: "there is no workstation" };
    if (instance.status === "RUNNING" || instance.status === "STAGING" || instance.status === "PROVISIONING")
      return { result: "unchanged", reason: "runs already" };
    // Each takes the next free moment before it waits for it.
    const at = Math.max(next, Date.now());
    next = at + gap;
    await sleep(Math.max(0, at - Date.now()), signal);
    if (signal?.aborted) return { result: "skipped", reason: "stopped" };
    await machine.start();
    return { result: "done", reason: "started" };
  });
}

/** Stops the students' workstations; their disks stay, and cost. */
export async function cool(opened: OpenCourse, options: PowerOptions = {}): Promise<Outcome[]> {
  return forWorkstations(opened, "Stopping workstations", options, async (machine) => {
    const instance = await machine.look();
    if (!instance) return { result: "skipped", reason: "there is no workstation" };
    if (instance.status === "TERMINATED") return { result: "unchanged", reason: "is off already" };
    await machine.stop();
    return { result: "done", reason: "stopped" };
  });
}

type Work = (machine: Machine, frozen: boolean) => Promise<Pick<Outcome, "result" | "reason">>;

async function forWorkstations(
  opened: OpenCourse,
  title: string,
  options: PowerOptions,
  work: Work,
): Promise<Outcome[]> {
  const { record } = opened;
  const { only, progress = SILENT, signal } = options;
  const found = await findEnvironments(chosen(standingPlaces(record), only));
  progress.phase(title, found.length);
  return each(found, AT_ONCE, async (one) => {
    const { stack, id } = one.place;
    const started = performance.now();
    progress.start(stack);
    const end = await attempt(one, signal, (machine) => work(machine, isFrozen(record, id)));
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    const outcome: Outcome = { stack, student: id, ...end, seconds };
    progress.end(outcome);
    return outcome;
  });
}

async function attempt(
  { place, environment, problem }: Found,
  signal: AbortSignal | undefined,
  work: (machine: Machine) => Promise<Pick<Outcome, "result" | "reason">>,
): Promise<Pick<Outcome, "result" | "reason">> {
  if (signal?.aborted) return { result: "skipped", reason: "stopped" };
  if (problem !== undefined) return { result: "failed", reason: problem };
  const station = environment?.workstation;
  if (!environment || !station) return { result: "skipped", reason: "there is no workstation" };
  try {
    return await work(new Machine({ project: place.project, zone: station.zone, name: station.name }));
  } catch (error) {
    return { result: "failed", reason: messageOf(error) };
  }
}

/**
 * When `--at` means: `08:45` is the next one of this computer's clock, `2027-01-12T08:45` that moment. Pure.
 * @throws {UserError} for another form, and for a moment that is past or more than a week ahead
 */
export function momentOf(text: string, now: Date): Date {
  const wrong = (why: string) =>
    new UserError(`--at must be a time of this computer's clock, as 08:45 or 2027-01-12T08:45; ${why}; got "${text}".`);
  const [, day, hours = "", minutes = ""] = /^(?:(\d{4}-\d{2}-\d{2})[T ])?(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? [];
  if (minutes === "" || Number(hours) > 23 || Number(minutes) > 59) throw wrong("it has another form");
  const at = new Date(now);
  if (day !== undefined) {
    const [year = 0, month = 0, date = 0] = day.split("-").map(Number);
    at.setFullYear(year, month - 1, date);
    if (at.getMonth() !== month - 1 || at.getDate() !== date) throw wrong("there is no such day");
  }
  at.setHours(Number(hours), Number(minutes), 0, 0);
  if (day === undefined && at <= now) at.setDate(at.getDate() + 1);
  if (at <= now) throw wrong("it is past");
  if (at.getTime() - now.getTime() > 7 * 24 * 3600_000) throw wrong("it is more than a week ahead");
  return at;
}
