// One launch of the real engine against a Compute Engine that answers as a test says.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import type { Environment, RunSpec, RunStatus } from "../../training/contract.ts";
import type { LaunchHooks, LaunchOptions } from "../../training/engines/engine.ts";
import { VmEngine } from "../../training/engines/vm.ts";
import { UserError } from "../../training/errors.ts";
import { ENVIRONMENT } from "../cli/workbench.ts";
import { type Answer, FakeCompute } from "./fakeCompute.ts";

export const START = Date.parse("2026-11-21T08:00:00Z");
export const SPEC: RunSpec = {
  schema: 1,
  id: "census-20261121080000-0a1b",
  environment: "mlt-test",
  project: "local-project",
  package: { name: "census", object: `code/${"a".repeat(64)}.tar.gz`, sha256: "a".repeat(64) },
  command: ["python", "train.py"],
  arguments: [],
  inputs: [],
  buckets: ENVIRONMENT.buckets,
  deadline: "2026-11-21T10:00:00.000Z",
  maxRestarts: 2,
  keepMinutes: 0,
  machineType: "n2-standard-4",
  spot: true,
  createdAt: "2026-11-21T08:00:00.000Z",
};
export const NAME = "mlt-test-run-20261121080000-0a1b-a01";

/** What a launch met; new for every test. */
export const bench = {
  fake: new FakeCompute(),
  clock: START,
  places: [] as string[],
  waits: [] as string[],
  setbacks: [] as string[],
  doubts: [] as string[],
};

/** Launches against the script; time passes only where the engine sleeps. */
export function launch(
  answers: Answer[],
  options: {
    environment?: Partial<Environment>;
    spec?: Partial<RunSpec>;
    attempt?: number;
    launch?: LaunchOptions;
  } = {},
): Promise<NonNullable<RunStatus["machine"]>> {
  bench.fake.answers.push(...answers);
  const engine = new VmEngine({
    now: () => bench.clock,
    sleep: async (milliseconds) => {
      bench.clock += milliseconds;
    },
  });
  let attempt = options.attempt ?? 1;
  const hooks: LaunchHooks = {
    onPlace: async (machine) => {
      // The record comes before the machine.
      assert.equal(bench.fake.machines.size, 0);
      bench.places.push(machine.zone);
    },
    onAlive: async () => undefined,
    onWait: async (message) => {
      bench.waits.push(message);
    },
    onSetback: (zone) => void bench.setbacks.push(zone),
    onUncertain: async (why) => {
      bench.doubts.push(why);
      attempt += 1;
      return attempt;
    },
  };
  const environment = { ...ENVIRONMENT, ...options.environment };
  return engine.launch(environment, { ...SPEC, ...options.spec }, attempt, hooks, options.launch);
}

export async function refused(promise: Promise<unknown>): Promise<UserError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof UserError, String((error as Error).stack));
    return error;
  }
  throw new Error("it was not refused");
}

/** To be called once by a test file. */
export function aroundEachTest(): void {
  const token = process.env.GOOGLE_OAUTH_ACCESS_TOKEN;
  before(() => {
    process.env.GOOGLE_OAUTH_ACCESS_TOKEN = "test-token";
  });
  after(() => {
    if (token === undefined) delete process.env.GOOGLE_OAUTH_ACCESS_TOKEN;
    else process.env.GOOGLE_OAUTH_ACCESS_TOKEN = token;
  });
  beforeEach(async () => {
    Object.assign(bench, { fake: new FakeCompute(), clock: START, places: [], waits: [], setbacks: [], doubts: [] });
    process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE = await bench.fake.start();
  });
  afterEach(() => bench.fake.close());
}
