// Rights cannot say how large a machine may be or how long it runs. What breaks a course's limits is found and ended here,
// within minutes, and the student is told why.
import { COLLECTIONS, listAll, type Thing } from "../../cleanup/compute.ts";
import { call, each, Refused } from "../../cleanup/rest.ts";
import { PRESETS, type WorkstationInput } from "../../components/configSchema.ts";
import { readWorkstation } from "../../components/workstationConfig.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import { messageOf } from "../../training/errors.ts";
import { isRunId } from "../../training/ids.ts";
import { Objects } from "../../training/storage.ts";
import type { Course, CourseRecord, Place, Student } from "../contract.ts";
import { findEnvironments, oneLine, SIDE_BY_SIDE } from "../environments.ts";
import { limitsOf, workstationOf } from "../machines.ts";
import { accountOf } from "../stacks.ts";
import { hoursOf, type LedgerStore, ledgerStore, type Sighting } from "./ledger.ts";
import { broken, kindOf, type Situation } from "./limits.ts";
import { tellStudent } from "./notice.ts";
import { looseDisks, machineOf } from "./sightings.ts";

export interface ReapOptions {
  /** Look and tell, touch nothing. */
  dryRun?: boolean;
  now?: () => number;
  objects?: Objects;
  ledger?: LedgerStore;
}

/** Something that was ended, or was to be. */
export interface Reaped {
  student: string;
  environment: string;
  project: string;
  zone: string;
  kind: "machine" | "disk";
  name: string;
  action: "deleted" | "stopped" | "would be deleted" | "would be stopped" | "could not be ended";
  reasons: string[];
  /** Why it could not be ended. */
  failure?: string;
}

export interface Round {
  at: string;
  /** Machines of the course's students that were looked at. */
  looked: number;
  reaped: Reaped[];
  /** What could not be seen or told: the round was not whole. */
  gaps: string[];
}

interface Reaping {
  course: Course;
  students: readonly Student[];
  record: Pick<CourseRecord, "places">;
}

/**
 * Looks at every machine and every loose disk under a student's prefix once, ends what breaks the limits, and tells the
 * student. Machines of others, whatever they do, and machines within the limits are left alone. Nothing in it depends on
 * what a student may write, but for the runs' records, and a machine that has one must keep to all limits all the same.
 */
export async function reap({ course, students, record }: Reaping, options: ReapOptions = {}): Promise<Round> {
  const now = (options.now ?? Date.now)();
  const objects = options.objects ?? new Objects();
  const places = Object.values(record.places);
  const round: Round = { at: new Date(now).toISOString(), looked: 0, reaped: [], gaps: [] };
  const projects = [...new Set(places.map(({ project }) => project))];
  const all = (await each(projects, 4, (project) => lists(project, round.gaps))).flat();

  const found = places
    .map((place) => {
      const own = (name: string) => kindOf(name, place.environment) !== undefined;
      const things = all.filter(({ project }) => project === place.project);
      const machines = things.flatMap(({ machines }) => machines).filter(({ name }) => own(name));
      const disks = things.flatMap(({ disks }) => disks).filter(({ name }) => own(name));
      return { place, machines: machines.map((thing) => machineOf(thing, place.project)), disks };
    })
    .filter(({ machines, disks }) => machines.length + disks.length > 0);
  round.looked = found.reduce((sum, { machines }) => sum + machines.length, 0);

  const sightings = found.flatMap(({ place, machines }) =>
    machines.map((machine): Sighting => ({ environment: place.environment, machine })),
  );
  const ledger = options.ledger ?? ledgerStore(course.state, objects);
  const hours = await ledger.note(sightings, now).then(
    (kept) => hoursOf(kept, now),
    (error: unknown) => {
      round.gaps.push(`the hours of this week are not known: ${oneLine(error)}`);
      return new Map<string, number>();
    },
  );

  await each(found, SIDE_BY_SIDE, async ({ place, machines, disks }) => {
    // Who left and is not destroyed yet has the course's limits.
    const student = students.find(({ id }) => id === place.id) ?? { overrides: {} };
    const [there] = await findEnvironments([place], objects);
    const environment = there?.environment;
    if (there?.problem) round.gaps.push(`${place.id}: ${there.problem}`);
    const situation: Situation = {
      limits: limitsOf(course, student),
      account: accountOf(place),
      now,
      hours: hours.get(place.environment) ?? 0,
      workstation: stationOf(course, student, place),
      isRun: await knownRuns(
        machines.flatMap(({ run }) => run ?? []),
        environment,
      ),
    };
    for (const { machine, action, reasons } of broken(place.environment, machines, situation)) {
      const path = `projects/${place.project}/zones/${machine.zone}/instances/${machine.name}`;
      const what = { kind: "machine", name: machine.name, zone: machine.zone, reasons } as const;
      const end =
        action === "delete"
          ? () => call("compute", path, { method: "DELETE" })
          : () => call("compute", `${path}/stop`, { method: "POST" });
      await ended(round, place, what, { action, end, dryRun: options.dryRun });
      if (!options.dryRun)
        await told(round, place, environment, { machine: machine.name, run: machine.run, action, reasons, now });
    }
    for (const { name, zone, reasons } of looseDisks(disks, now)) {
      const path = `projects/${place.project}/zones/${zone}/disks/${name}`;
      const end = () => call("compute", path, { method: "DELETE" });
      await ended(
        round,
        place,
        { kind: "disk", name, zone, reasons },
        { action: "delete", end, dryRun: options.dryRun },
      );
      if (!options.dryRun)
        await told(round, place, environment, { machine: `the disk ${name}`, action: "delete", reasons, now });
    }
  });
  round.reaped.sort((one, other) => (one.name < other.name ? -1 : 1));
  return round;
}

interface Lists {
  project: string;
  machines: Thing[];
  disks: Thing[];
}

async function lists(project: string, gaps: string[]): Promise<Lists> {
  const listed = async (plural: string): Promise<Thing[]> => {
    const collection = COLLECTIONS.find((each) => each.plural === plural);
    if (!collection) return [];
    try {
      const { things, unreachable } = await listAll(project, collection);
      gaps.push(...unreachable.map((place) => `${project}: ${plural} of ${place} cannot be seen now`));
      return things;
    } catch (error) {
      gaps.push(`${project}: ${plural} cannot be listed: ${oneLine(error)}`);
      return [];
    }
  };
  const [machines, disks] = await Promise.all([listed("instances"), listed("disks")]);
  return { project, machines, disks };
}

/** The workstation as the course's settings make it. */
function stationOf(course: Course, student: Pick<Student, "overrides">, { project }: Place): Situation["workstation"] {
  const settings = workstationOf(course, student);
  if (!settings) return undefined;
  const preset: WorkstationInput = PRESETS[course.preset].workstation;
  const today = new Date().toISOString().slice(0, 10);
  const { config } = readWorkstation(settings, { project, region: course.region, scope: "student", preset, today });
  if (!config) return undefined;
  const gpus = config.guestAccelerators.reduce((sum, { count }) => sum + count, 0);
  return { type: config.machineType, gpus, publicAddress: config.externalIp };
}

/** Which of these runs are on record; one that cannot be asked for counts neither way. */
async function knownRuns(
  ids: readonly string[],
  environment: OpenEnvironment | undefined,
): Promise<(id: string) => boolean | undefined> {
  const known = new Map<string, boolean>();
  await each([...new Set(ids)], 4, async (id) => {
    if (!isRunId(id)) known.set(id, false);
    else if (environment) {
      const there = await environment.objects
        .info(environment.buckets.data, `runs/${id}/spec.json`)
        .catch(() => "unknown");
      if (there !== "unknown") known.set(id, there !== undefined);
    }
  });
  return (id) => known.get(id);
}

interface End {
  action: "delete" | "stop";
  end: () => Promise<unknown>;
  dryRun?: boolean;
}

async function ended(
  round: Round,
  place: Place,
  what: Pick<Reaped, "kind" | "name" | "zone" | "reasons">,
  { action, end, dryRun }: End,
): Promise<void> {
  const past = action === "delete" ? "deleted" : "stopped";
  const reaped = { student: place.id, environment: place.environment, project: place.project, ...what };
  if (dryRun) {
    round.reaped.push({ ...reaped, action: `would be ${past}` });
    return;
  }
  try {
    await end();
    round.reaped.push({ ...reaped, action: past });
  } catch (error) {
    // Somebody else was faster.
    if (error instanceof Refused && error.status === 404) return;
    round.reaped.push({ ...reaped, action: "could not be ended", failure: messageOf(error) });
  }
}

async function told(
  round: Round,
  place: Place,
  environment: OpenEnvironment | undefined,
  what: Parameters<typeof tellStudent>[1],
): Promise<void> {
  if (!environment) {
    round.gaps.push(`${place.id}: cannot be told of ${what.machine}: its data bucket is not found`);
    return;
  }
  try {
    await tellStudent(environment, what);
  } catch (error) {
    round.gaps.push(`${place.id}: cannot be told of ${what.machine}: ${oneLine(error)}`);
  }
}
