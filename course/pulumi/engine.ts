import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import automation, { type PulumiFn, type Stack } from "@pulumi/pulumi/automation/index.js";
import { parse, stringify } from "yaml";
import { UserError } from "../../training/errors.ts";
import type { StackPlan } from "../contract.ts";
import { EngineLog, errorLines } from "./engineEvents.ts";
import { outliveTheEngine } from "./engineRejections.ts";
import { freeLocks, type LockOptions } from "./locks.ts";
import { type Deployment, settlePending } from "./pending.ts";
import { findPulumi, type PulumiCommand } from "./pulumiCommand.ts";
import { openStates, PULUMI_PROJECT, type States } from "./states.ts";

/** What a stack's settings file says of its secrets: a salt, or a key that the KMS has encrypted. No secret itself. */
export interface SecretsSettings {
  secretsprovider?: string;
  encryptionsalt?: string;
  encryptedkey?: string;
}

export interface EngineOptions {
  /** `gs://BUCKET[/PREFIX]` or `file:///FOLDER` */
  state: string;
  /** `gcpkms://…`, or `passphrase`: PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE. */
  secretsProvider: string;
  /** Of the course's earlier stacks: all share them, so that one instructor after the other opens them. */
  secrets?: SecretsSettings;
  /** Called when the first stack has made them. Returns those that count: another instructor may have been first. */
  keepSecrets?: (secrets: SecretsSettings) => Promise<SecretsSettings>;
  /** The Pulumi program, run in this process. @default index.ts */
  program?: PulumiFn;
  /** One line about a lock, or about an operation that was broken off. */
  say?: (line: string) => void;
  locks?: LockOptions;
}

export interface StackRunOptions {
  /** Aborting asks Pulumi to end as Ctrl-C does: it finishes the calls under way and keeps its state. */
  signal?: AbortSignal;
  /** Looks first at what is there. */
  refresh?: boolean;
  onStep?: (step: string) => void;
}

/** How an operation on a stack ended well. */
export interface StackRun {
  changes: Partial<Record<string, number>>;
  outputs: Record<string, unknown>;
  /** The state's mark afterwards; see `Checkpoint`. */
  mark: string | undefined;
}

/** A failure in Pulumi's words: its errors, not its whole output. */
export class EngineError extends Error {
  override name = "EngineError";
  readonly all: readonly string[];

  constructor(all: readonly string[]) {
    super(all[0] ?? "Pulumi failed without a message");
    this.all = all;
  }
}

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
/** Resources of one stack at the same time: several stacks share the processors. */
const RESOURCES_AT_ONCE = 8;

/** Pulumi for many stacks of one course, side by side, with the program in this process. Close it in the end. */
export class Engine {
  readonly states: States;
  readonly #options: EngineOptions;
  readonly #command: PulumiCommand;
  readonly #folder: string;
  readonly #program: PulumiFn;
  #secrets: SecretsSettings | undefined;
  /** The first stack makes the secrets' settings; the others wait for it. */
  #first: Promise<void> | undefined;

  static async open(options: EngineOptions): Promise<Engine> {
    requirePassphrase(options);
    outliveTheEngine();
    const [states, command, project] = await Promise.all([
      openStates(options.state),
      findPulumi(),
      readFile(join(REPOSITORY, "Pulumi.yaml"), "utf8"),
    ]);
    const program = options.program ?? ((await import("../../index.ts")).default as PulumiFn);
    const folder = mkdtempSync(join(tmpdir(), "mlt-course-"));
    const { config } = parse(project) as { config?: unknown };
    writeFileSync(join(folder, "Pulumi.yaml"), stringify({ name: PULUMI_PROJECT, runtime: "nodejs", config }));
    return new Engine(options, { states, command, program, folder });
  }

  private constructor(
    options: EngineOptions,
    parts: { states: States; command: PulumiCommand; program: PulumiFn; folder: string },
  ) {
    this.#options = options;
    this.#secrets = options.secrets;
    this.states = parts.states;
    this.#command = parts.command;
    this.#program = parts.program;
    this.#folder = parts.folder;
  }

  /** Brings a stack to its plan; makes it if there is none. @throws {EngineError} @throws {UserError} */
  async up(plan: StackPlan, options: StackRunOptions = {}): Promise<StackRun> {
    const { signal, onStep } = options;
    this.#writeSettings(plan.name, settingsOf(plan));
    const broken = await this.#free(plan.name, signal);
    const there = await this.states.checkpoint(plan.name);
    if (!there) await this.#create(plan.name);
    const stack = await this.#select(plan.name, this.#program);
    const settled = there && (broken || there.pending.length > 0) ? await this.#settle(stack, plan.name) : false;
    const log = new EngineLog(onStep);
    const refresh = options.refresh || settled;
    await this.#run(log, () =>
      stack.up({ onEvent: log.note, color: "never", signal, refresh, parallel: RESOURCES_AT_ONCE }),
    );
    return this.#ended(plan.name, log);
  }

  /** Destroys what a stack holds and forgets it; nothing happens if there is none. */
  async destroy(name: string, options: StackRunOptions = {}): Promise<StackRun> {
    const { signal, onStep } = options;
    const broken = await this.#free(name, signal);
    const there = await this.states.checkpoint(name);
    if (!there) return { changes: {}, outputs: {}, mark: undefined };
    this.#writeSettings(name, {});
    const stack = await this.#select(name, this.#program);
    const settled = broken || there.pending.length > 0 ? await this.#settle(stack, name) : false;
    const log = new EngineLog(onStep);
    // Machines that deleted themselves, and what somebody removed by hand, are no reason to fail.
    const refresh = options.refresh ?? settled;
    await this.#run(log, () =>
      stack.destroy({ onEvent: log.note, color: "never", signal, refresh, parallel: RESOURCES_AT_ONCE }),
    );
    await this.#run(log, () => stack.workspace.removeStack(name));
    return this.#ended(name, log);
  }

  /** What a stack's program returned at its last `up`; `undefined` if there is no such stack. */
  async outputs(name: string): Promise<Record<string, unknown> | undefined> {
    const found = await this.states.checkpoint(name);
    return found && (found.resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {});
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #free(name: string, signal?: AbortSignal): Promise<boolean> {
    const { say, locks } = this.#options;
    return freeLocks(this.states, name, { say, signal, ...locks });
  }

  /** A state whose last operation was broken off: what may have been made is looked for by the refresh that follows. */
  async #settle(stack: Stack, name: string): Promise<boolean> {
    const state = await stack.exportStack();
    const { deployment, lookedFor, repeatable, unknown } = settlePending(state.deployment as Deployment);
    const count = lookedFor.length + repeatable.length + unknown.length;
    if (JSON.stringify(deployment) !== JSON.stringify(state.deployment)) {
      await stack.importStack({ ...state, deployment });
    }
    if (count > 0) {
      this.#options.say?.(
        `${name}: was broken off; looking for ${[...lookedFor, ...repeatable, ...unknown].join(", ")}`,
      );
    }
    if (unknown.length > 0) {
      this.#options.say?.(`${name}: if ${unknown.join(", ")} was made, nobody owns it: mlt clean finds it`);
    }
    return true;
  }

  async #create(name: string): Promise<void> {
    if (this.#secrets) return this.#init(name);
    if (this.#first) {
      await this.#first.catch(() => undefined);
      return this.#create(name);
    }
    this.#first = this.#init(name).then(async () => {
      const made = this.#readSettings(name);
      this.#secrets = (await this.#options.keepSecrets?.(made)) ?? made;
    });
    try {
      await this.#first;
    } finally {
      this.#first = undefined;
    }
  }

  async #init(name: string): Promise<void> {
    this.#writeSettings(name);
    const { workspace } = await this.#select(name, this.#program);
    await this.#run(new EngineLog(), () => workspace.createStack(name));
  }

  async #select(stackName: string, program: PulumiFn): Promise<Stack> {
    const { state, secretsProvider } = this.#options;
    const envVars = {
      PULUMI_BACKEND_URL: state,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS: "false",
      ...storageHost(),
    };
    return automation.LocalWorkspace.selectStack(
      { stackName, projectName: PULUMI_PROJECT, program },
      { workDir: this.#folder, pulumiCommand: this.#command, envVars, secretsProvider },
    );
  }

  async #run(log: EngineLog, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (log.errors.length > 0) throw new EngineError(log.errors);
      throw new EngineError(errorLines(error instanceof Error ? error.message : String(error)));
    }
  }

  async #ended(name: string, { changes, outputs }: EngineLog): Promise<StackRun> {
    const after = await this.states.checkpoint(name);
    return { changes, outputs: outputs ?? {}, mark: after?.mark };
  }

  /** The stack's own settings, where no other stack sees them. Without a config those that are there stay. */
  #writeSettings(name: string, config?: Record<string, unknown>): void {
    const file = join(this.#folder, `Pulumi.${name}.yaml`);
    const own = config ?? this.#configs.get(name) ?? {};
    this.#configs.set(name, own);
    // Pulumi reads YAML 1.1, in which a bare 2027-02-28 is a date and a bare no is false.
    writeFileSync(file, stringify({ ...this.#secrets, config: own }, { defaultStringType: "QUOTE_DOUBLE" }));
  }

  readonly #configs = new Map<string, Record<string, unknown>>();

  #readSettings(name: string): SecretsSettings {
    const { readFileSync } = process.getBuiltinModule("node:fs");
    const file = parse(readFileSync(join(this.#folder, `Pulumi.${name}.yaml`), "utf8")) as SecretsSettings;
    const { secretsprovider, encryptionsalt, encryptedkey } = file;
    return Object.fromEntries(
      Object.entries({ secretsprovider, encryptionsalt, encryptedkey }).filter(([, value]) => value !== undefined),
    );
  }
}

/** Pulumi's client of Cloud Storage takes a host; Google's other clients take the same variable as an address. */
function storageHost(): { STORAGE_EMULATOR_HOST?: string } {
  const address = process.env.STORAGE_EMULATOR_HOST;
  return address ? { STORAGE_EMULATOR_HOST: address.replace(/^https?:\/\//, "") } : {};
}

/** A plan as Pulumi's settings file holds it: nested values stay nested. */
function settingsOf({ project, config }: StackPlan): Record<string, unknown> {
  const own = Object.entries(config).map(([key, value]) => [key.includes(":") ? key : `mltraining:${key}`, value]);
  return { "gcp:project": project, ...Object.fromEntries(own) };
}

function requirePassphrase({ secretsProvider }: EngineOptions): void {
  const { PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE } = process.env;
  if (secretsProvider !== "passphrase" || PULUMI_CONFIG_PASSPHRASE !== undefined || PULUMI_CONFIG_PASSPHRASE_FILE)
    return;
  throw new UserError(
    "This course's states are encrypted with a passphrase (course.yaml, secretsProvider), and none is set. Set it: export PULUMI_CONFIG_PASSPHRASE=… (all instructors the same)",
  );
}
