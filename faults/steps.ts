import type { Fault, SeenCall } from "../localcloud/core/faults.ts";

/** What a step's request is known by. */
export interface RunNames {
  id: string;
  /** The machine of the first attempt. */
  machine: string;
  /** The package's object. */
  package: string;
  /** The folder below `input/`. */
  input: string;
}

/** The calls that belong to a step, in a fault's own terms. */
export type Target = Pick<Fault, "service" | "method" | "path" | "query" | "machine">;

interface StepOptions {
  /** In the table's head. */
  short: string;
  /** What the machine does then. */
  what: string;
  /** The step has come when such a call is made (it waits meanwhile) … */
  target?: (run: RunNames) => Target;
  /** … or when a call of this step was answered … */
  after?: StepName;
  /** … or when the machine's console says so. */
  line?: RegExp;
  /** Not before a call of this step was answered. */
  notBefore?: StepName;
}

const object = (method: "GET" | "POST", name: (run: RunNames) => string) => (run: RunNames) => {
  const text = name(run).replace(/[.+]/g, "\\$&");
  return method === "GET"
    ? { service: "storage", method, path: `/o/${text}` }
    : { service: "storage", method, query: `(^|&)name=${text}` };
};
const metadata =
  (path: string, query = "") =>
  (run: RunNames) => ({ service: "metadata", machine: run.machine, path, query });

/** The steps of a run's machine, in their order. A step is reached the first time that what it is known by happens. */
const STEPS = {
  boot: {
    short: "boot",
    what: "the startup script reads what the machine was started for",
    target: metadata("^instance/attributes/mlt-run$"),
  },
  metadata: {
    short: "meta",
    what: "the supervisor reads the metadata",
    target: metadata("^project/project-id$"),
  },
  status: { short: "stat", what: "reads status.json", target: object("GET", ({ id }) => `runs/${id}/status.json$`) },
  claim: { short: "clai", what: "writes `booting`", target: object("POST", ({ id }) => `runs/${id}/status.json`) },
  spec: { short: "spec", what: "reads spec.json", target: object("GET", ({ id }) => `runs/${id}/spec.json$`) },
  fetch: { short: "ftch", what: "fetches the package", target: object("GET", (run) => `${run.package}$`) },
  unpack: { short: "unpk", what: "unpacks it", after: "fetch" },
  venv: { short: "venv", what: "makes the virtual environment", line: /making a virtual environment/ },
  pip: { short: "pip", what: "installs the requirements", line: /installing requirements\.txt/ },
  inputs: { short: "inpt", what: "downloads the inputs", target: object("GET", ({ input }) => `input/${input}/`) },
  restore: {
    short: "rest",
    what: "looks for a checkpoint",
    target: object("GET", ({ id }) => `runs/${id}/checkpoints/LATEST.json$`),
  },
  start: { short: "strt", what: "starts the trainer", line: /\] training: / },
  training: { short: "trng", what: "trains", target: metadata("^instance/id$", "^trainer=step-6$") },
  checkpoint: {
    short: "ckpt",
    what: "uploads a checkpoint",
    target: object("POST", ({ id }) => `runs/${id}/checkpoints/files/`),
  },
  pointer: {
    short: "ptr",
    what: "moves the checkpoints' pointer",
    target: object("POST", ({ id }) => `runs/${id}/checkpoints/LATEST.json`),
  },
  output: { short: "outp", what: "uploads an output", target: object("POST", ({ id }) => `runs/${id}/output/`) },
  log: { short: "log", what: "writes the whole log", target: object("POST", ({ id }) => `runs/${id}/log.txt`) },
  final: {
    short: "finl",
    what: "writes the final phase",
    target: object("POST", ({ id }) => `runs/${id}/status.json`),
    notBefore: "log",
  },
  delete: {
    short: "dele",
    what: "deletes itself",
    target: ({ machine }) => ({ service: "compute", method: "DELETE", path: `/instances/${machine}$` }),
  },
} as const satisfies Record<string, Omit<StepOptions, "after" | "notBefore"> & { after?: string; notBefore?: string }>;

export type StepName = keyof typeof STEPS;
export const STEP_NAMES = Object.keys(STEPS) as StepName[];
export const step = (name: StepName): StepOptions => STEPS[name];

/** The calls that belong to a step; throws for a step that is no call. */
export function targetOf(name: StepName, run: RunNames): Target {
  const { target } = step(name);
  if (!target) throw new Error(`The step ${name} is no call that a fault of a service could strike.`);
  return target(run);
}

/** Looks at what happens in a run until its step is there. */
export class StepWatch {
  readonly #name: StepName;
  readonly #run: RunNames;
  readonly #answered = new Set<StepName>();
  #reached = false;

  constructor(name: StepName, run: RunNames) {
    this.#name = name;
    this.#run = run;
  }

  /** True once: when this call is what the step is known by. */
  call(call: SeenCall): boolean {
    const { target, notBefore } = step(this.#name);
    if (!target || (notBefore && !this.#answered.has(notBefore))) return false;
    return fits(target(this.#run), call) && this.#once();
  }

  answered(call: SeenCall): boolean {
    const { after, notBefore } = step(this.#name);
    for (const other of [after, notBefore]) {
      if (other && fits(targetOf(other, this.#run), call)) this.#answered.add(other);
    }
    return after !== undefined && this.#answered.has(after) && this.#once();
  }

  line(machine: string, text: string): boolean {
    return machine === this.#run.machine && step(this.#name).line?.test(text) === true && this.#once();
  }

  #once(): boolean {
    if (this.#reached) return false;
    this.#reached = true;
    return true;
  }
}

function fits(target: Target, call: SeenCall): boolean {
  // The launcher and whoever reads the run are the operator; only machines have a service account.
  if (call.service !== "metadata" && call.caller === undefined) return false;
  return (
    (target.service === undefined || target.service === call.service) &&
    (target.method === undefined || target.method === call.method) &&
    (target.machine === undefined || target.machine === call.machine) &&
    new RegExp(target.path ?? "").test(call.path) &&
    new RegExp(target.query ?? "").test(call.query ?? "")
  );
}
