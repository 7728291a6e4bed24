import assert from "node:assert/strict";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { VmEngine } from "../../training/engines/vm.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import type { UserError } from "../../training/errors.ts";
import { launchAttempt } from "../../training/launch.ts";
import { ENVIRONMENT } from "../cli/workbench.ts";
import { type Fault, VirtualCloud } from "./schedules/cloud.ts";
import { Store } from "./schedules/store.ts";
import { Actor, World } from "./schedules/world.ts";

export const START = Date.parse("2026-11-21T08:00:00Z");
export const ID = "demo-20261121080000-0a1b";
const LAUNCHER = "a".repeat(16);
export const time = (seconds: number) => new Date(START + seconds * 1000).toISOString();
export const SPEC: RunSpec = {
  schema: 1,
  id: ID,
  environment: ENVIRONMENT.environment,
  project: ENVIRONMENT.project,
  package: { name: "demo", object: `code/${"a".repeat(64)}.tar.gz`, sha256: "a".repeat(64) },
  command: ["python", "train.py"],
  arguments: [],
  inputs: [],
  buckets: ENVIRONMENT.buckets,
  deadline: time(3600),
  maxRestarts: 2,
  keepMinutes: 0,
  machineType: "e2-standard-2",
  spot: true,
  createdAt: time(0),
};
export const SUBMITTED: RunStatus = {
  schema: 1,
  id: ID,
  phase: "submitted",
  attempt: 1,
  launcher: LAUNCHER,
  restarts: 0,
  times: { submitted: time(0) },
  heartbeat: time(0),
  deadline: SPEC.deadline,
};
export const machineIn = (zone: string, attempt = 1) => ({
  name: `mlt-test-run-20261121080000-0a1b-a0${attempt}`,
  zone,
  region: zone.replace(/-[a-z]$/, ""),
  type: "e2-standard-2",
  spot: true,
});
export const PREEMPTED: RunStatus = {
  ...SUBMITTED,
  phase: "preempted",
  machine: machineIn("us-central1-a"),
  times: { submitted: time(0), booting: time(-600), ended: time(0) },
};

/** An in-memory Google in which somebody acts; time passes only where everybody waits. */
export class Bench {
  readonly world = new World(1, START);
  readonly cloud: VirtualCloud;
  readonly store = new Store(this.world);
  readonly lines: string[] = [];
  readonly stops = new AbortController();

  constructor(status: RunStatus, script: Fault[] = [], spec: Partial<RunSpec> = {}) {
    this.cloud = new VirtualCloud(this.world, [["ok", 1]]);
    this.cloud.flaky = 0;
    this.cloud.script.push(...script);
    this.store.put("environment.json", ENVIRONMENT);
    this.store.put(`runs/${ID}/spec.json`, { ...SPEC, ...spec });
    this.store.put(`runs/${ID}/status.json`, status);
  }

  get spec(): RunSpec {
    return this.store.get<RunSpec>(`runs/${ID}/spec.json`)!;
  }

  get status(): RunStatus {
    return this.store.get<RunStatus>(`runs/${ID}/status.json`)!;
  }

  context(name = "launcher") {
    const actor = new Actor(name);
    const now = () => this.world.now;
    const sleep = (milliseconds: number) => this.world.sleep(actor, milliseconds);
    const engine = new VmEngine({ compute: this.cloud.as(actor), now, sleep });
    const environment: OpenEnvironment = { ...ENVIRONMENT, objects: this.store.as(actor) };
    const progress = (line: string) => void this.lines.push(line);
    return { environment, engine, now, sleep, progress, signal: this.stops.signal };
  }

  /** Runs to the end of what somebody does; seconds after which the world stands still. */
  async act<T>(work: () => Promise<T>, seconds = 7200): Promise<T> {
    let outcome: { value: T } | { error: unknown } | undefined;
    void work().then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.world.run(this.world.now + seconds * 1000, () => outcome !== undefined);
    assert.ok(outcome, "it never ended");
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  launch(claim = { attempt: 1, launcher: LAUNCHER }): Promise<RunStatus> {
    const { environment, ...context } = this.context();
    return launchAttempt(environment, this.spec, claim, context);
  }

  at(seconds: number, happen: () => void): void {
    this.world.later(seconds * 1000, happen);
  }

  change(change: Partial<RunStatus>): void {
    this.store.put(`runs/${ID}/status.json`, { ...this.status, ...change });
  }

  zones(): string[] {
    return this.cloud.log.map(({ zone, spot }) => `${zone}${spot ? "" : " standard"}`);
  }
}

export async function refused(promise: Promise<unknown>): Promise<UserError> {
  return promise.then(
    () => assert.fail("it was not refused"),
    (error: unknown) => error as UserError,
  );
}
