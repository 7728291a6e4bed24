import type { OpenEnvironment } from "../../training/environment.ts";
import { listRuns } from "../../training/runs.ts";
import { costSinceMidnight, type DayCost, stoppedCost } from "../../workstation/cost.ts";
import { targetOf, type WorkstationRecord } from "../../workstation/environment.ts";
import { type Instance, Machine } from "../../workstation/machine.ts";
import { nextTime } from "../../workstation/schedule.ts";
import {
  type Condition,
  conditionOf,
  readWorkstationStatus,
  type WorkstationStatus,
  wordsOf,
} from "../../workstation/status.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { duration, fields, money, plain, printJson } from "../output/print.ts";

/** More runs than this are no news of today. */
const RUNS = 20;

interface Seen {
  record: WorkstationRecord;
  condition: Condition;
  instance?: Instance;
  status?: WorkstationStatus;
  /** Why it could not be looked at. */
  problem?: string;
}

/** The environment: what is in it, what runs, what that has cost since midnight, and when the workstation stops. */
export async function summary(environment: OpenEnvironment, options: CommonOptions): Promise<number> {
  const now = Date.now();
  const [{ runs, more }, seen] = await Promise.all([
    listRuns(environment, { limit: RUNS }),
    environment.workstation && look(environment, environment.workstation, now),
  ]);
  const running = runs.filter((run) => !run.times.ended);
  const workstation = seen && { record: seen.record, instance: seen.instance };
  const cost = costSinceMidnight({ runs, moreRuns: more > 0, ...(workstation ? { workstation } : {}) }, now);
  if (seen?.problem) cost.missing.push("the workstation");
  const { buckets, project, region, training, environment: name } = environment;
  if (options.json) {
    const machine = training && { machineType: training.machineType, spot: training.spot, maxHours: training.maxHours };
    printJson({
      environment: name,
      project,
      region,
      buckets,
      ...(machine ? { training: machine } : {}),
      ...(seen ? { workstation: forPrograms(seen, now) } : {}),
      running,
      cost,
    });
    return 0;
  }
  console.log(
    fields([
      ["environment", `${name} (project ${project}, region ${region})`],
      ["data", `gs://${buckets.data}`],
      ["scratch", `gs://${buckets.scratch}`],
      [
        "training",
        training && `${training.machineType}${training.spot ? " (Spot)" : ""}, at most ${training.maxHours} h`,
      ],
      ["workstation", seen && plain(headOf(seen, now))],
      ["", seen && plain(partsOf(seen) ?? "")],
      ["stops", seen && plain(endsOf(seen, now) ?? "")],
      ["running", running.length === 0 ? "nothing" : running.map((run) => `${run.id} (${run.phase})`).join(", ")],
      ["cost", costLine(cost)],
    ]),
  );
  return 0;
}

async function look(environment: OpenEnvironment, record: WorkstationRecord, now: number): Promise<Seen> {
  const [instance, status] = await Promise.all([
    // Who may not see the machine still sees the rest.
    new Machine(targetOf(environment)).look().catch((error: unknown) => error as Error),
    readWorkstationStatus(environment),
  ]);
  if (instance instanceof Error) {
    return {
      record,
      condition: { state: "gone" },
      problem: instance.message.split("\n")[0] ?? "",
      ...(status ? { status } : {}),
    };
  }
  return {
    record,
    condition: conditionOf(instance, status, now),
    ...(instance ? { instance } : {}),
    ...(status ? { status } : {}),
  };
}

function headOf({ record, condition, instance, problem }: Seen, now: number): string {
  const { name, zone, machineType, spot } = record;
  const where = `${name} (${machineType}${spot ? ", Spot" : ""}) in ${zone}`;
  if (problem) return `${where}: cannot be seen (${problem})`;
  const since = instance?.lastStartTimestamp;
  const runs = ["ready", "failed"].includes(condition.state);
  const up = runs && since ? `, up for ${duration(now - Date.parse(since))}` : "";
  return `${where}: ${wordsOf(condition)}${up}`;
}

/** What runs on it, or what it costs although it does not. */
function partsOf({ condition, record }: Seen): string | undefined {
  if (condition.state === "stopped") return stoppedCost(record);
  if (condition.state !== "ready" && condition.state !== "failed") return undefined;
  const { jupyter, tensorboard, mount } = condition.status;
  return `JupyterLab ${jupyter}, TensorBoard ${tensorboard}, bucket ${mount}`;
}

/** When it stops by itself. */
function endsOf({ record, condition, status, problem }: Seen, now: number): string | undefined {
  if (problem || condition.state === "gone" || condition.state === "stopped" || condition.state === "stopping") {
    const start = condition.state === "stopped" ? nextOf(record, "start", now) : undefined;
    return start ? `starts by itself ${start}` : undefined;
  }
  const { idleMinutes } = record;
  const known = condition.state === "ready" || condition.state === "failed" ? status : undefined;
  const last = known?.activity ? `; the last was: ${known.activity}` : "";
  const idle = known?.stopsAt
    ? `${clock(known.stopsAt, now)} unless somebody works (${idleMinutes} idle minutes${last})`
    : idleMinutes > 0
      ? `after ${idleMinutes} idle minutes`
      : undefined;
  const nightly = nextOf(record, "stop", now);
  const ends = [idle, nightly].filter((end) => end !== undefined);
  return ends.length > 0 ? `by itself ${ends.join(", and ")}` : "not by itself: mlt stop";
}

/** `at 22:00 Europe/Berlin (in 5 h)` */
function nextOf({ schedule }: WorkstationRecord, verb: "stop" | "start", now: number): string | undefined {
  const line = schedule?.[verb];
  if (!schedule || !line) return undefined;
  const at = nextTime(line, schedule.timeZone, now);
  if (at === undefined) return undefined;
  const time = new Intl.DateTimeFormat("en-GB", {
    timeZone: schedule.timeZone,
    hour: "2-digit",
    minute: "2-digit",
  }).format(at);
  return `at ${time} ${schedule.timeZone} (in ${duration(at - now)})`;
}

function clock(time: string, now: number): string {
  const left = Date.parse(time) - now;
  return left > 0 ? `in ${duration(left)}` : "now";
}

function costLine({ amount, asOf, parts, missing, currency }: DayCost): string {
  const lacks = missing.length > 0 ? `; not counted: ${missing.join(", ")}` : "";
  if (amount === 0) return `nothing since midnight but what is stored${lacks}`;
  const shares =
    parts.workstation === undefined
      ? ""
      : `, workstation ${parts.workstation.toFixed(3)}, runs ${parts.runs.toFixed(3)}`;
  return `${money({ amount, currency })} since midnight (estimate: list prices of ${asOf}, machine times; no storage, no traffic${shares})${lacks}`;
}

function forPrograms({ record, condition, instance, status, problem }: Seen, now: number): Record<string, unknown> {
  const { name, zone, machineType, spot, idleMinutes, schedule } = record;
  const nightly = schedule && nextTime(schedule.stop, schedule.timeZone, now);
  return {
    name,
    zone,
    machineType,
    spot,
    state: problem ? "unknown" : condition.state,
    words: problem ?? wordsOf(condition),
    ...(instance ? { instance: instance.status } : {}),
    ...("status" in condition ? { status: condition.status } : status ? { lastStatus: status } : {}),
    idleMinutes,
    ...("status" in condition && condition.status.stopsAt ? { stopsAt: condition.status.stopsAt } : {}),
    ...(nightly ? { scheduledStop: new Date(nightly).toISOString() } : {}),
  };
}
