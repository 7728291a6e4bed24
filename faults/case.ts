import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SeenCall } from "../localcloud/core/faults.ts";
import { googleCompute } from "../training/compute.ts";
import { VmEngine } from "../training/engines/vm.ts";
import { machineName, runMoment } from "../training/ids.ts";
import { follow, planRun, type RunStatus, startRun } from "../training/index.ts";
import { isTerminal } from "../training/status.ts";
import type { MachinePlan } from "./driver.ts";
import { expectedModel, REQUIREMENTS, writePackage } from "./package.ts";
import { type RunNames, type StepName, StepWatch } from "./steps.ts";
import type { World } from "./world.ts";

/** One of the ends that are right for a case. */
export interface Outcome {
  phase: RunStatus["phase"];
  /** The whole of `reason`; absent: there is none. */
  reason?: RegExp;
  /** The attempt that it ended in; default 1. */
  attempt?: number;
  /** The trainer went on from a checkpoint: its last beginning was not at its first step. */
  resumed?: boolean;
}

/** What an injection works with. */
export interface Injection {
  world: World;
  run: RunNames;
  status(): Promise<RunStatus>;
  /** Notes what makes the case wrong, whatever its end. */
  problem(text: string): void;
  /** Waits; the call that belongs to the step waits as well if the injection does. */
  pause(ms: number): Promise<void>;
}

/** One fault at one step, with all ends that are right, written before it is run. */
export interface FaultCase {
  fault: string;
  step: StepName;
  level: MachinePlan["level"];
  expected: readonly Outcome[];
  /** Happens when the step is reached; the step's call goes on when the promise is settled. */
  inject(injection: Injection): Promise<void> | void;
  /** Seconds from the start to the run's deadline; default 150. */
  deadline?: number;
  /** How often the trainer may begin; default: as often as the outcome's attempts and restarts allow. */
  trainings?: number;
  arguments?: string[];
  /** Google's own limit in seconds, where it is not to be the run's deadline. */
  machineLimit?: number;
  plan?: Partial<Omit<MachinePlan, "level" | "folder">>;
  /** Run by `npm test` too. */
  subset?: boolean;
}

export interface CaseResult {
  fault: string;
  step: StepName;
  level: MachinePlan["level"];
  ok: boolean;
  /** What was wrong, each in a line. */
  problems: string[];
  phase?: string;
  reason?: string;
  attempt?: number;
  /** Seconds from the fault to the end of the last machine. */
  seconds?: number;
  /** Seconds from the run's deadline to that end; negative: before it. */
  afterDeadline?: number;
  /** Console and log, when something was wrong. */
  evidence?: string;
}

/** Times as they are in production are minutes; these let a case take seconds. What they shorten is in README.md. */
export const LIMITS: Readonly<Record<string, string>> = {
  ML_TRAINING_RETRY_SECONDS: "8",
  ML_TRAINING_HEARTBEAT_SECONDS: "1",
  ML_TRAINING_LOG_SECONDS: "1",
  ML_TRAINING_GRACE_SECONDS: "2",
  ML_TRAINING_SETTLE_SECONDS: "0.1",
};

const AFTER_DEADLINE_SECONDS = 30;
/**
 * The power cut 30 s after the deadline takes a moment itself, and is seen when somebody looks: on a computer that boots
 * three machines at once that is seconds.
 */
const MEASURING_SECONDS = 5;
/** Longer than this after its deadline nobody waits. */
const GIVE_UP_SECONDS = AFTER_DEADLINE_SECONDS + 30;
/** Words that a program says and a person does not. */
const PROGRAMMERS_WORDS = /^\w*(Error|Exception)\b|Traceback|supervisor: \w+Error/;

let counter = 0;

export async function runCase(world: World, one: FaultCase): Promise<CaseResult> {
  counter += 1;
  const input = `f${process.pid}-${counter}`;
  const folder = join(world.folder, input);
  mkdirSync(folder);
  const { environment } = world;
  const { objects, buckets } = environment;
  await objects.write(buckets.data, `input/${input}/numbers.csv`, Buffer.from("1,2,3\n"), {});
  const path = writePackage(join(folder, "package"), { input, files: one.step === "unpack" ? 1500 : 0 });
  const planned = await planRun(environment, path, one.arguments ?? []);
  const { spec } = planned;
  const started = Date.now();
  spec.deadline = new Date(started + (one.deadline ?? 150) * 1000).toISOString();
  spec.checkpointSeconds = 1;
  const moment = runMoment(spec.id);
  const run: RunNames = {
    id: spec.id,
    machine: machineName(spec.environment, spec.id, 1),
    package: spec.package.object,
    input,
  };
  const seeded = one.step !== "venv" && one.step !== "pip";
  const plan: MachinePlan = {
    level: one.level,
    folder,
    ...one.plan,
    limits: { ...LIMITS, ...one.plan?.limits },
    ...(seeded ? { seededRun: { id: spec.id, requirements: REQUIREMENTS } } : {}),
  };

  const problems: string[] = [];
  const consoles: string[] = [];
  const beginnings: string[] = [];
  const watch = new StepWatch(one.step, run);
  let struckAt: number | undefined;
  const strike = async () => {
    struckAt = Date.now();
    try {
      await one.inject({
        world,
        run,
        status: async () => (await objects.readJson<RunStatus>(buckets.data, `runs/${spec.id}/status.json`))!.value,
        problem: (text) => problems.push(text),
        pause,
      });
    } catch (error) {
      problems.push(`the fault could not be made: ${(error as Error).message}`);
    }
  };
  const leave = world.join(moment, plan, {
    call: (call: SeenCall) => {
      const begins = call.machine?.includes(moment) && /^trainer=begins-(\d+)$/.exec(call.query ?? "")?.[1];
      if (begins) beginnings.push(begins);
      return watch.call(call) ? strike() : undefined;
    },
    answered: (call) => {
      if (watch.answered(call)) void strike();
    },
    line: (machine, text) => {
      consoles.push(text);
      if (watch.line(machine, text)) void strike();
    },
  });

  const deadline = Date.parse(spec.deadline);
  const giveUp = deadline + GIVE_UP_SECONDS * 1000;
  let status: RunStatus | undefined;
  let goneAt: number | undefined;
  try {
    status = await live();
  } catch (error) {
    problems.push(`the run could not be followed: ${(error as Error).message}`);
  }

  /** Starts the run, follows it as `mlt train` does, and waits until none of its machines is there. */
  async function live(): Promise<RunStatus> {
    await startRun(environment, planned, one.machineLimit ? { engine: withLimit(one.machineLimit) } : {});
    const ending = new AbortController();
    // Whoever looks a minute after a machine went finds it silent: that minute is not waited for.
    let later = 0;
    const clock = watchMachines();
    const followed = follow(environment, spec.id, () => {}, {
      pollMs: 400,
      logs: false,
      now: () => Date.now() + later,
      signal: ending.signal,
    });
    let over = false;
    const done = followed.finally(() => {
      over = true;
    });
    done.catch(() => {});
    let absentSince: number | undefined;
    while (!over || goneAt === undefined) {
      await pause(200);
      goneAt = clock();
      absentSince = goneAt === undefined ? undefined : (absentSince ?? Date.now());
      later = absentSince !== undefined && Date.now() - absentSince > 2500 ? 61_000 : 0;
      if (Date.now() > giveUp) {
        problems.push(
          `not over ${GIVE_UP_SECONDS} s after its deadline: ${world.machines(moment).join(", ") || "no machine"}`,
        );
        ending.abort();
        break;
      }
    }
    return done;
  }

  /** When the last machine went; `undefined` while one is there. */
  function watchMachines(): () => number | undefined {
    let gone: number | undefined;
    return () => {
      gone = world.machines(moment).length > 0 ? undefined : (gone ?? Date.now());
      return gone;
    };
  }

  await finish();
  return {
    fault: one.fault,
    step: one.step,
    level: one.level,
    ok: problems.length === 0,
    problems,
    phase: status?.phase,
    reason: status?.reason,
    attempt: status?.attempt,
    seconds: goneAt && struckAt ? round((goneAt - struckAt) / 1000) : undefined,
    afterDeadline: goneAt ? round((goneAt - deadline) / 1000) : undefined,
    ...(problems.length > 0 ? { evidence: await evidence() } : {}),
  };

  async function finish(): Promise<void> {
    if (struckAt === undefined) problems.push(`the step ${one.step} was never reached`);
    if (status) {
      problems.push(...judge(one, status, { maxRestarts: spec.maxRestarts, beginnings }));
      if (status.phase === "succeeded") {
        const model = await objects.read(buckets.data, `runs/${spec.id}/output/model.txt`);
        const text = model?.data.toString();
        if (text !== expectedModel()) problems.push(`the model is ${text}, not ${expectedModel()}`);
      }
      const allowed = one.trainings ?? status.attempt + (status.restarts ?? 0);
      if (beginnings.length > allowed) {
        problems.push(
          `the trainer began ${beginnings.length} times (at steps ${beginnings.join(", ")}), not ${allowed}`,
        );
      }
    }
    if (goneAt && goneAt > deadline + (AFTER_DEADLINE_SECONDS + MEASURING_SECONDS) * 1000) {
      problems.push(`the machine went ${round((goneAt - deadline) / 1000)} s after the deadline`);
    }
    for (const fault of [...world.cloud.cloud.faults.list()]) {
      if (fault.id.startsWith(run.id)) world.cloud.cloud.faults.remove(fault.id);
    }
    for (const name of world.machines(moment)) await world.remove(name);
    leave();
    rmSync(folder, { recursive: true, force: true });
  }

  async function evidence(): Promise<string> {
    const log = await objects.read(buckets.data, `runs/${spec.id}/log.txt`);
    const said = log?.data.toString() ?? "(no log.txt)";
    const cloud = world.log.filter((line) => line.includes(moment)).join("\n");
    return `status ${JSON.stringify(status)}\ncloud:\n${cloud}\nconsole:\n${consoles.slice(-60).join("\n")}\nlog:\n${said.slice(-4000)}`;
  }
}

/** The launcher as it is, but for the time that Google gives its machines. */
function withLimit(seconds: number): VmEngine {
  const compute = googleCompute();
  return new VmEngine({
    compute: {
      ...compute,
      insert: (project, zone, call) => {
        const scheduling = { ...call.instance.scheduling, maxRunDuration: { seconds: String(seconds) } };
        return compute.insert(project, zone, { ...call, instance: { ...call.instance, scheduling } });
      },
    },
  });
}

/** What is known of an end besides the status. */
export interface Seen {
  maxRestarts: number;
  /** The steps at which the trainer began, in their order. */
  beginnings: readonly string[];
}

/** What differs from every outcome that was written down for the case. */
export function judge(
  one: Pick<FaultCase, "expected">,
  status: RunStatus,
  { maxRestarts, beginnings }: Seen,
): string[] {
  const problems: string[] = [];
  if (!isTerminal(status, maxRestarts)) problems.push(`the phase ${status.phase} is not final`);
  const { phase, reason = "", attempt } = status;
  const resumed = beginnings.length > 1 && beginnings.at(-1) !== "0";
  const fits = one.expected.some(
    (outcome) =>
      outcome.phase === phase &&
      (outcome.attempt ?? 1) === attempt &&
      (outcome.reason ? outcome.reason.test(reason) : reason === "") &&
      (!outcome.resumed || resumed),
  );
  if (!fits) {
    const right = one.expected.map(shown).join(" or ");
    problems.push(`it ended ${describe({ phase, attempt, reason, resumed })}; right is ${right}`);
  }
  if (PROGRAMMERS_WORDS.test(reason)) problems.push(`the reason is in a program's words: ${reason}`);
  return problems;
}

const shown = ({ phase, attempt = 1, reason, resumed = false }: Outcome) =>
  describe({ phase, attempt, reason: reason?.source ?? "", resumed });

function describe(end: { phase: string; attempt: number; reason: string; resumed: boolean }): string {
  const { phase, attempt, reason, resumed } = end;
  return `${phase} in attempt ${attempt}${resumed ? ", resumed" : ""}${reason ? ` (${reason})` : ""}`;
}
function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
