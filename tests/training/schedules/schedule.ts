import { cancelRun } from "../../../training/cancel.ts";
import type { Phase, RunSpec, RunStatus } from "../../../training/contract.ts";
import { VmEngine } from "../../../training/engines/vm.ts";
import type { OpenEnvironment } from "../../../training/environment.ts";
import { Unreachable, UserError } from "../../../training/errors.ts";
import { follow } from "../../../training/follow.ts";
import { resumeRun } from "../../../training/resume.ts";
import { readStatus } from "../../../training/runs.ts";
import { isTerminal } from "../../../training/status.ts";
import { recordRun } from "../../../training/submit.ts";
import { ENVIRONMENT } from "../../cli/workbench.ts";
import { VirtualCloud, type VirtualMachine, WEATHERS } from "./cloud.ts";
import { runGuest } from "./guest.ts";
import { Store } from "./store.ts";
import { Actor, World } from "./world.ts";

const START = Date.parse("2026-11-21T08:00:00Z");
const LIMIT_MS = 30 * 60_000;
const ID = "demo-20261121080000-0a1b";

/** What one schedule came to. */
export interface Outcome {
  phase: Phase;
  attempts: number;
  steps: number;
  machines: number;
  kills: number;
  faults: ReadonlyMap<string, number>;
  /** What must not be; empty: all is well. */
  violations: string[];
}

/** Runs one schedule: launchers that are killed at any await, others that come later, a cloud with its faults. */
export async function runSchedule(seed: number): Promise<Outcome> {
  const random = Math.random;
  const world = new World(seed, START);
  // The launcher's own dice (pauses that differ) are the schedule's, too.
  Math.random = world.random;
  try {
    return await new Schedule(world).run();
  } finally {
    Math.random = random;
  }
}

class Schedule {
  readonly #world: World;
  readonly #cloud: VirtualCloud;
  readonly #store: Store;
  readonly #violations: string[] = [];
  readonly #recorded = new Set<string>();
  readonly #trained = new Set<number>();
  readonly #spec: RunSpec;
  #made = 0;
  #cancelled = false;
  #last: RunStatus | undefined;
  #actors: Actor[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#cloud = new VirtualCloud(world, WEATHERS[Math.floor(world.random() * WEATHERS.length)]!);
    this.#store = new Store(world);
    this.#cloud.onMade = (machine) => this.#check(machine);
    this.#cloud.onRunning = (machine) =>
      world.start(() =>
        runGuest(
          world,
          this.#cloud,
          (actor) => this.#store.as(actor),
          machine,
          () => this.#trained.add(machine.attempt),
        ),
      );
    this.#store.onWrite = (name, text) => {
      if (!name.endsWith("/status.json")) return;
      const status = JSON.parse(text) as RunStatus;
      if (status.machine) this.#recorded.add(`${status.machine.zone}/${status.machine.name}`);
      this.#checkChange(status);
      this.#last = status;
    };
    this.#spec = {
      schema: 1,
      id: ID,
      environment: ENVIRONMENT.environment,
      project: ENVIRONMENT.project,
      package: { name: "demo", object: `code/${"a".repeat(64)}.tar.gz`, sha256: "a".repeat(64) },
      command: ["python", "train.py"],
      arguments: [],
      inputs: [],
      buckets: ENVIRONMENT.buckets,
      deadline: new Date(START + LIMIT_MS).toISOString(),
      maxRestarts: Math.floor(world.between(0, 4)),
      fallbackToStandard: world.chance(0.3),
      keepMinutes: 0,
      machineType: "e2-standard-2",
      spot: world.chance(0.8),
      createdAt: new Date(START).toISOString(),
    };
  }

  /** At every write of the status. */
  #checkChange(status: RunStatus): void {
    const before = this.#last;
    if (!before?.machine || before.attempt === status.attempt || before.phase !== "provisioning") return;
    const machine = this.#cloud.machines.get(`${before.machine.zone}/${before.machine.name}`);
    if (before.times.provisioned && machine?.status === "RUNNING") {
      this.#violations.push(`attempt ${before.attempt} was superseded while its machine booted`);
    }
  }

  /** At every machine that Google makes. */
  #check(machine: VirtualMachine): void {
    this.#made += 1;
    const twins = [...this.#cloud.machines.values()].filter(
      (other) => other.attempt === machine.attempt && ["PROVISIONING", "RUNNING"].includes(other.status),
    );
    if (twins.length > 1) {
      this.#violations.push(
        `two machines of attempt ${machine.attempt}: ${twins.map(({ zone }) => zone).join(", ")} at ${this.#world.now - START}`,
      );
    }
    if (!this.#recorded.has(`${machine.zone}/${machine.name}`)) {
      this.#violations.push(`${machine.zone}/${machine.name} was made without a record`);
    }
  }

  #actor(name: string, mayDie: number): Actor {
    const world = this.#world;
    // Half of the deaths early, where the launch is.
    const moment = () => Math.floor(world.chance(0.6) ? world.between(1, 60) : world.between(1, 400));
    const actor = new Actor(name, world.chance(mayDie) ? moment() : undefined);
    if (world.chance(0.4)) {
      actor.sleepsAt = moment();
      actor.sleepsFor = world.between(20_000, 500_000);
    }
    this.#actors.push(actor);
    return actor;
  }

  #tools(actor: Actor) {
    const world = this.#world;
    const sleep = (milliseconds: number) => world.sleep(actor, milliseconds);
    const now = () => world.now;
    const engine = new VmEngine({ compute: this.#cloud.as(actor), now, sleep });
    const away = actor.name === "reader" ? 0 : 0.005;
    const environment: OpenEnvironment = { ...ENVIRONMENT, objects: this.#store.as(actor, away) };
    return { environment, engine, now, sleep };
  }

  async run(): Promise<Outcome> {
    const world = this.#world;
    this.#store.put("environment.json", ENVIRONMENT);
    const train = this.#actor("train", 0.6);
    this.#start(train, 0, async () => {
      const tools = this.#tools(train);
      const plan = { spec: this.#spec, package: { files: [], archive: { bytes: Buffer.alloc(0) } } };
      const recorded = await recordRun(tools.environment, plan as never, tools);
      await recorded.launch();
      await this.#follow(train);
    });
    const others = Math.floor(world.between(0, 4));
    for (let index = 0; index < others; index += 1) {
      const actor = this.#actor(`other-${index}`, 0.4);
      // Most come soon, while there is something to disturb.
      const after = world.between(0, world.chance(0.7) ? LIMIT_MS / 5 : LIMIT_MS);
      this.#start(actor, after, async () => {
        if (world.chance(0.5)) await resumeRun(this.#tools(actor).environment, ID, this.#tools(actor));
        await this.#follow(actor);
      });
    }
    if (world.chance(0.1)) {
      const actor = this.#actor("cancel", 0.3);
      this.#start(actor, world.between(0, LIMIT_MS), async () => {
        this.#cancelled = true;
        await cancelRun(this.#tools(actor).environment, ID, this.#tools(actor));
      });
    }
    const reader = new Actor("reader");
    this.#start(reader, world.between(0, 60_000), async () => {
      const { environment, ...tools } = this.#tools(reader);
      while (world.now < START + LIMIT_MS + 10 * 60_000) {
        // Before the run is on record there is nothing to read.
        await readStatus(environment, ID, tools).catch(ignoreUserErrors);
        await world.sleep(reader, world.between(20_000, 400_000));
      }
    });
    await world.run(START + LIMIT_MS + 20 * 60_000);
    return this.#end();
  }

  #start(actor: Actor, after: number, work: () => Promise<void>): void {
    this.#world.start(async () => {
      await this.#world.sleep(actor, after);
      // What a person is told ends the command, not the run.
      await work().catch(ignoreUserErrors);
    });
  }

  async #follow(actor: Actor): Promise<void> {
    const { environment, ...tools } = this.#tools(actor);
    await follow(environment, ID, () => undefined, { ...tools, logs: false, pollMs: 25_000 });
  }

  #end(): Outcome {
    const status = this.#store.get<RunStatus>(`runs/${ID}/status.json`);
    const { maxRestarts } = this.#spec;
    const say = (problem: string) => this.#violations.push(`${problem}: ${JSON.stringify(status)}`);
    for (const error of this.#world.errors) this.#violations.push(String((error as Error).stack ?? error));
    if (status) {
      const { phase, attempt } = status;
      if (!isTerminal(status, maxRestarts)) say("the status has not ended");
      if (phase === "succeeded" && !this.#trained.has(attempt)) say("succeeded without a training");
      if (phase !== "succeeded" && this.#trained.has(attempt) && phase === "failed") say("failed after a training");
      if (phase === "cancelled" && !this.#cancelled) say("cancelled, and nobody asked for it");
      if (phase === "timedOut" && Date.parse(status.times.ended!) < START + LIMIT_MS - 31_000)
        say("timed out too early");
      const { machine } = status;
      if (phase === "lost" && machine && this.#cloud.takenBack.has(`${machine.zone}/${machine.name}`)) {
        say("lost, and Google says that it took the machine back");
      }
      if (phase === "failed" && status.restarts > 0) say("failed after a restart");
      if (status.restarts > maxRestarts) say("more restarts than allowed");
      if (phase !== "succeeded" && !status.reason && phase !== "cancelled" && phase !== "preempted") say("no reason");
    } else if (this.#made > 0) say("a machine without a status");
    for (const { zone, name, status: state } of this.#cloud.machines.values()) {
      this.#violations.push(`left: ${zone}/${name} (${state})`);
    }
    return {
      phase: status?.phase ?? "submitted",
      attempts: status?.attempt ?? 0,
      steps: this.#world.steps,
      machines: this.#made,
      kills: this.#actors.filter(({ dead }) => dead).length,
      faults: this.#cloud.counts,
      violations: this.#violations,
    };
  }
}

function ignoreUserErrors(error: unknown): void {
  if (!(error instanceof UserError) && !(error instanceof Unreachable)) throw error;
}
