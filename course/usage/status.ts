import { each, pages } from "../../cleanup/rest.ts";
import type { Phase, RunStatus } from "../../training/contract.ts";
import { Denied, UserError } from "../../training/errors.ts";
import { listRuns } from "../../training/runs.ts";
import { ENDED } from "../../training/status.ts";
import { Objects } from "../../training/storage.ts";
import { disksPerMonth, machinePerHour } from "../../workstation/cost.ts";
import type { WorkstationRecord } from "../../workstation/environment.ts";
import type { Instance } from "../../workstation/machine.ts";
import { readWorkstationStatus } from "../../workstation/status.ts";
import type { Place } from "../contract.ts";
import { type Found, findEnvironments, oneLine, SIDE_BY_SIDE } from "../environments.ts";
import { CANARY_ID } from "../names.ts";
import { chosen } from "../only.ts";
import type { OpenCourse } from "../open.ts";
import { type StationUse, type Usage, usageOf } from "./usage.ts";
import { type KnownUse, keepUsage } from "./usageStore.ts";
import { heartbeatsOf, hoursByWeek, type Interval, runningTimes } from "./workstationHours.ts";

/**
 * How a student's environment stands. `none`: not brought up, or destroyed. `unread`: it is there, or may be, and cannot
 * be read. `leaving`: up, of somebody who is no more in the roster. `left`: gone, of such a one.
 */
export type StackState = "up" | "frozen" | "none" | "unread" | "leaving" | "left";

export interface StudentStatus {
  id: string;
  /** Of those who are no more in the roster: none. */
  name?: string;
  project?: string;
  environment?: string;
  stack: StackState;
  /** Why nothing or not everything could be read. */
  problem?: string;
  /** The data bucket, without gs://. */
  bucket?: string;
  runs: RunStatus[];
  workstation?: { name: string; state: string };
  /** Machines that exist at this moment, the workstation's included. */
  machines: { name: string; state: string }[];
  usage: Usage;
  /** ISO time of the last sign of work: a run's, or the workstation's. */
  lastActivity?: string;
}

export interface CourseStatus {
  course: string;
  title: string;
  expires: string;
  /** ISO time of this look. */
  at: string;
  frozen?: string;
  students: StudentStatus[];
  /** What holds for all: a project's machines that cannot be listed, and the like. */
  notes: string[];
}

export interface StatusOptions {
  only?: readonly string[];
  now?: () => number;
  objects?: Objects;
  /** How many students were read of all. */
  progress?: (done: number, of: number) => void;
}

/** A part of an instance that is looked at here. */
type Machine = Instance & { name: string; zone: string };

/** Reads everybody's bucket, side by side. Who cannot be read is a line that says why; nothing stops the others. */
export async function courseStatus(open: OpenCourse, options: StatusOptions = {}): Promise<CourseStatus> {
  const { course, record } = open;
  const { now = Date.now, objects = new Objects(), progress } = options;
  const at = now();
  const everybody = people(open);
  const wanted = chosen(everybody, options.only);
  const placed = wanted.flatMap(({ place }) => place ?? []);
  const found = new Map((await findEnvironments(placed, objects)).map((each) => [each.place.id, each]));
  const notes: string[] = [];
  const machines = await machinesIn([...new Set(placed.map(({ project }) => project))], notes);

  let done = 0;
  const readings = await each(wanted, SIDE_BY_SIDE, async (person) => {
    const reading = await read(person, found.get(person.id), machines, at);
    done += 1;
    progress?.(done, wanted.length);
    return reading;
  });

  const seen = Object.fromEntries(readings.flatMap(({ person, seen }) => (seen ? [[person.id, seen]] : [])));
  const known = await kept(course.state, seen, objects, notes);
  const students = readings.map((reading) => statusOf(reading, known[reading.person.id], open, at));
  return {
    course: course.name,
    title: course.title,
    expires: course.expires,
    at: new Date(at).toISOString(),
    ...(record.frozen ? { frozen: record.frozen } : {}),
    students,
    notes,
  };
}

interface Person {
  id: string;
  name?: string;
  place?: Place;
}

/** The roster, and after it those who are no more in it; of the canary, which is nobody, only what was left standing. */
function people({ students, record }: OpenCourse): Person[] {
  const present = new Set(students.map(({ id }) => id));
  if (record.left[CANARY_ID]?.destroyed) present.add(CANARY_ID);
  return [
    ...students.map(({ id, name }) => ({ id, name, place: record.places[id] })),
    ...Object.values(record.places)
      .filter(({ id }) => !present.has(id))
      .sort((one, other) => (one.id < other.id ? -1 : 1))
      .map((place) => ({ id: place.id, place })),
  ];
}

interface Reading {
  person: Person;
  found?: Found;
  problem?: string;
  runs: RunStatus[];
  machines: Machine[];
  /** When the workstation was last worked on. */
  worked?: string;
  seen?: KnownUse;
}

async function read(
  person: Person,
  found: Found | undefined,
  machines: ReadonlyMap<string, Machine[]>,
  now: number,
): Promise<Reading> {
  const own = person.place ? (machines.get(`${person.place.project} ${person.place.environment}`) ?? []) : [];
  const reading: Reading = { person, found, problem: found?.problem, runs: [], machines: own };
  const environment = found?.environment;
  if (!environment) return reading;
  try {
    reading.runs = (await listRuns(environment, { now: () => now })).runs;
    if (environment.workstation) {
      const status = await readWorkstationStatus(environment);
      reading.worked = status?.idleSince;
      const beats = await heartbeatsOf(environment.buckets.data);
      const station = own.find(({ name }) => name === environment.workstation?.name);
      reading.seen = useOf(beats, station, now);
    }
  } catch (error) {
    reading.problem = oneLine(error);
  }
  return reading;
}

/** What can be seen of a workstation's hours now: its heartbeats, and what Compute Engine says of its last start. */
function useOf(beats: readonly number[], station: Machine | undefined, now: number): KnownUse {
  const intervals: Interval[] = runningTimes(beats, now);
  const started = Date.parse(station?.lastStartTimestamp ?? "");
  const stopped = Date.parse(station?.lastStopTimestamp ?? "");
  if (station && !Number.isNaN(started)) {
    if (!Number.isNaN(stopped) && stopped > started) intervals.push({ from: started, to: stopped });
    else if (station.status === "RUNNING") intervals.push({ from: started, to: now });
  }
  const made = Date.parse(station?.creationTimestamp ?? "");
  const first = Math.min(...beats, ...(Number.isNaN(made) ? [] : [made]));
  return {
    weeks: hoursByWeek(intervals),
    ...(Number.isFinite(first) ? { since: new Date(first).toISOString() } : {}),
  };
}

function statusOf(reading: Reading, known: KnownUse | undefined, open: OpenCourse, now: number): StudentStatus {
  const { person, found, problem, runs, machines, worked } = reading;
  const environment = found?.environment;
  const record = environment?.workstation;
  const station = record && machines.find(({ name }) => name === record.name);
  const usage = usageOf(runs, stationUse(record, station, known), now);
  const signs = runs.flatMap(({ times, heartbeat }) => [times.submitted, times.ended, heartbeat]).concat(worked);
  const last = signs
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
  return {
    id: person.id,
    ...(person.name === undefined ? {} : { name: person.name }),
    ...(person.place ? { project: person.place.project, environment: person.place.environment } : {}),
    stack: stackState(reading, open),
    ...(problem === undefined ? {} : { problem }),
    ...(environment ? { bucket: environment.buckets.data } : {}),
    runs,
    ...(record ? { workstation: { name: record.name, state: stateOf(station) } } : {}),
    machines: machines.map((machine) => ({ name: machine.name, state: stateOf(machine) })),
    usage,
    ...(last === undefined ? {} : { lastActivity: last }),
  };
}

/** Hours that are on record count also where the environment is gone. */
function stationUse(
  record: WorkstationRecord | undefined,
  station: Instance | undefined,
  known: KnownUse | undefined,
): StationUse | undefined {
  if (!known && !record) return undefined;
  return {
    weeks: known?.weeks ?? {},
    machineType: record?.machineType ?? "a workstation that is gone",
    ...(record ? { perHour: machinePerHour(record, station), disksPerMonth: disksPerMonth(record) } : {}),
    ...(record && known?.since ? { since: Date.parse(known.since) } : {}),
  };
}

function stackState({ person, found, problem }: Reading, { students, record }: OpenCourse): StackState {
  const gone = !found?.environment;
  if (gone && problem !== undefined) return "unread";
  if (!students.some(({ id }) => id === person.id)) return gone ? "left" : "leaving";
  if (gone) return "none";
  const { frozen, frozenStudents } = record;
  return frozen && (frozenStudents === undefined || frozenStudents.includes(person.id)) ? "frozen" : "up";
}

const WORDS: Readonly<Record<string, string>> = { RUNNING: "running", TERMINATED: "stopped", STOPPED: "stopped" };

function stateOf(machine: Instance | undefined): string {
  return machine ? (WORDS[machine.status] ?? machine.status.toLowerCase()) : "gone";
}

/** The machines of each environment, by project and environment; of a project that cannot be asked, a note. */
async function machinesIn(projects: readonly string[], notes: string[]): Promise<Map<string, Machine[]>> {
  const found = new Map<string, Machine[]>();
  type Page = {
    items?: Record<string, { instances?: (Machine & { labels?: Record<string, string> })[] }>;
    nextPageToken?: string;
  };
  await each(projects, SIDE_BY_SIDE, async (project) => {
    try {
      const query = { maxResults: "500", returnPartialSuccess: "true" };
      await pages<Page>("compute", `projects/${project}/aggregated/instances`, { query }, ({ items = {} }) => {
        for (const machine of Object.values(items).flatMap(({ instances = [] }) => instances)) {
          const environment = machine.labels?.["mlt-environment"];
          if (environment === undefined) continue;
          const key = `${project} ${environment}`;
          found.set(key, [...(found.get(key) ?? []), machine]);
        }
      });
    } catch (error) {
      notes.push(`the machines of ${project} cannot be listed, workstations' states are not known: ${oneLine(error)}`);
    }
  });
  return found;
}

/** What is on record of the workstations' hours, with what was seen now. Who may not write still reads. */
async function kept(
  state: string,
  seen: Readonly<Record<string, KnownUse>>,
  objects: Objects,
  notes: string[],
): Promise<Readonly<Record<string, KnownUse>>> {
  try {
    return (await keepUsage(state, seen, objects)).workstations;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const may = error instanceof Denied ? "this login may not write them" : oneLine(error);
    notes.push(`the workstations' hours were not kept: ${may}`);
    return seen;
  }
}

/** The last run of a list that is newest first. */
export function lastRun({ runs }: Pick<StudentStatus, "runs">): RunStatus | undefined {
  return runs[0];
}

/** How many runs still go on. */
export function activeRuns({ runs }: Pick<StudentStatus, "runs">): number {
  return runs.filter(({ phase }) => !(ENDED as readonly Phase[]).includes(phase)).length;
}
