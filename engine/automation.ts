import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import automation, { type EngineEvent, type OpMap, type PulumiFn } from "@pulumi/pulumi/automation/index.js";
import { parse, stringify } from "yaml";
import { findPulumi } from "./cli.ts";
import { STAY_LOCAL } from "./endpoints.ts";
import { startCommandProvider } from "./providers/command/server.ts";
import { type ProviderServer, startGcpProvider } from "./providers/gcp/server.ts";

export interface StackOptions {
  stack: string;
  /** Settings by their whole key (`gcp:project`, `mltraining:training`); nested values stay nested. */
  config: Record<string, unknown>;
  /** Another project than this repository's Pulumi.yaml declares. */
  project?: { name: string; config?: unknown };
  /** The Pulumi program, run in this process. */
  program: PulumiFn;
  /** A folder for the state and the stack's settings; the same folder opens the same stack again. */
  folder: string;
  /** A folder for Pulumi's state that other stacks share; default: one below `folder`. */
  backend?: string;
  /** `attached`: the gcp provider beside this file; `real`: the installed pulumi-gcp plugin. */
  providers?: "attached" | "real";
  /** For the CLI, the program's provider and, with `attached`, the provider: endpoints, token (`providerEnvironment`). */
  environment?: Record<string, string>;
  /** What `command:local:Command` runs with, besides this process's environment and `environment`. */
  commands?: {
    environment?: Record<string, string>;
    /** Where commands without `dir` run. @default this repository, as with `pulumi up` in it */
    folder?: string;
  };
  /** Pulumi's own output, as it comes. */
  onOutput?: (text: string) => void;
  /** What takes time before Pulumi runs. */
  progress?: (line: string) => void;
}

/** One thing that Pulumi did, or in a preview would do. */
export interface Step {
  op: string;
  type: string;
  name: string;
  urn: string;
  /** The properties that differ; those that forced a replacement. */
  diffs: string[];
  replaceKeys: string[];
}

export interface Outcome {
  /** How many resources by what happened to them: `create`, `same`, `update`, `replace`, `delete`, … */
  changes: Partial<Record<string, number>>;
  /** What was not `same`. */
  steps: Step[];
  outputs: Record<string, unknown>;
  seconds: number;
}

export interface RunOptions {
  /** Aborting asks Pulumi to end as Ctrl-C does: it finishes the calls under way and keeps its state. */
  signal?: AbortSignal;
  refresh?: boolean;
  /** Preview only: fail if anything would change. */
  expectNoChanges?: boolean;
  /** Resources at a time; Pulumi's default is four per core. */
  parallel?: number;
}

export interface OpenStack {
  up(options?: RunOptions): Promise<Outcome>;
  preview(options?: RunOptions): Promise<Outcome>;
  refresh(options?: RunOptions): Promise<Outcome>;
  destroy(options?: RunOptions): Promise<Outcome>;
  outputs(): Promise<Record<string, unknown>>;
  /** How many resources Pulumi's state holds. */
  resources(): Promise<number>;
  /** Frees a lock that a killed process left. */
  cancel(): Promise<void>;
  /** Forgets the stack, which must be empty. */
  removeStack(): Promise<void>;
  /** Ends the attached providers, and commands that still run. Always call it. */
  close(): Promise<void>;
}

/** A failure in Pulumi's words: its first error, not its whole output. */
export class PulumiError extends Error {
  /** Every error that Pulumi printed. */
  readonly all: readonly string[];

  constructor(all: readonly string[]) {
    super(all[0] ?? "Pulumi failed without a message");
    this.all = all;
  }
}

const REPOSITORY = dirname(import.meta.dirname);

let listening = false;

/**
 * A program that runs in this process leaves promises behind that nobody waits for when it fails, or when the engine
 * ends before it, as after Ctrl-C. Pulumi has reported those errors already: they are no reason to end this process.
 * Every other unhandled rejection ends it as always.
 */
function outliveTheEngine(): void {
  if (listening) return;
  listening = true;
  process.on("unhandledRejection", (reason) => {
    // While a program runs, Pulumi itself listens for what goes wrong in it.
    if (process.listenerCount("unhandledRejection") === 1 && !isPulumis(reason)) throw reason;
  });
}

function isPulumis(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false;
  // Errors of Pulumi's library carry such a member; those of the connection to the engine a status and details.
  return Object.keys(reason).some((name) => name.startsWith("__pulumi")) || ("code" in reason && "details" in reason);
}

/** Opens a stack of the given program on a state of its own, with nothing to log in to and nothing to download. */
export async function openStack(options: StackOptions): Promise<OpenStack> {
  outliveTheEngine();
  const found = await findPulumi(options.progress);
  const providers: ProviderServer[] = [];
  try {
    if (options.providers !== "real") providers.push(await startGcpProvider({ ...options.environment }));
    const { environment, folder = REPOSITORY } = options.commands ?? {};
    const all = { ...process.env, ...options.environment, ...environment };
    providers.push(await startCommandProvider({ environment: all, folder }));
    return await open(options, found.path, providers);
  } catch (error) {
    for (const provider of providers) await provider.close();
    throw plain(error, []);
  }
}

async function open(options: StackOptions, cli: string, providers: readonly ProviderServer[]): Promise<OpenStack> {
  const { folder, stack: stackName } = options;
  const state = options.backend ?? join(folder, "state");
  const workDir = join(folder, "settings");
  mkdirSync(state, { recursive: true });
  mkdirSync(workDir, { recursive: true });
  const projectName = writeSettings(workDir, options.project ?? repositoryProject(), stackName, options.config);
  const envVars: Record<string, string> = {
    ...options.environment,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: options.environment?.PULUMI_CONFIG_PASSPHRASE ?? "local",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS: "false",
    ...(options.providers === "real" ? STAY_LOCAL : {}),
    PULUMI_DEBUG_PROVIDERS: providers.map(({ attach }) => attach).join(","),
  };
  const pulumiCommand = await automation.PulumiCommand.get({ root: dirname(dirname(cli)) });
  const stack = await automation.LocalWorkspace.createOrSelectStack(
    { stackName, projectName, program: options.program },
    { workDir, pulumiCommand, envVars },
  );

  type Work = (shared: {
    onOutput?: (text: string) => void;
    onEvent: (event: EngineEvent) => void;
    color: "never";
    signal?: AbortSignal;
    parallel?: number;
  }) => Promise<{ changes: Partial<Record<string, number>>; outputs?: Record<string, unknown> }>;

  async function follow(run: RunOptions, work: Work): Promise<Outcome> {
    const started = performance.now();
    const steps: Step[] = [];
    const errors: string[] = [];
    const onEvent = (event: EngineEvent) => note(event, steps, errors);
    const { signal, parallel } = run;
    try {
      const done = await work({ onOutput: options.onOutput, onEvent, color: "never", signal, parallel });
      const seconds = (performance.now() - started) / 1000;
      return { changes: done.changes, steps, outputs: done.outputs ?? {}, seconds };
    } catch (error) {
      throw plain(error, errors);
    }
  }

  return {
    up: (run = {}) =>
      follow(run, async (shared) => {
        const { summary, outputs } = await stack.up({ ...shared, refresh: run.refresh });
        return { changes: changesOf(summary.resourceChanges), outputs: values(outputs) };
      }),
    preview: (run = {}) =>
      follow(run, async (shared) => {
        const { changeSummary } = await stack.preview({
          ...shared,
          refresh: run.refresh,
          expectNoChanges: run.expectNoChanges,
        });
        return { changes: changesOf(changeSummary) };
      }),
    refresh: (run = {}) =>
      follow(run, async (shared) => {
        const { summary } = await stack.refresh(shared);
        return { changes: changesOf(summary.resourceChanges) };
      }),
    destroy: (run = {}) =>
      follow(run, async (shared) => {
        const { summary } = await stack.destroy({ ...shared, refresh: run.refresh });
        return { changes: changesOf(summary.resourceChanges) };
      }),
    outputs: async () => values(await stack.outputs()),
    async resources() {
      const { deployment } = (await stack.exportStack()) as { deployment: { resources?: unknown[] } };
      return deployment.resources?.length ?? 0;
    },
    cancel: () => stack.cancel(),
    removeStack: () => stack.workspace.removeStack(stackName),
    async close() {
      for (const provider of providers) await provider.close();
    },
  };
}

function repositoryProject(): { name: string; config?: unknown } {
  return parse(readFileSync(join(REPOSITORY, "Pulumi.yaml"), "utf8")) as { name: string; config?: unknown };
}

/** Writes the project's name and schema, and the stack's own settings, where no other stack sees them. */
function writeSettings(
  workDir: string,
  { name, config: schema }: { name: string; config?: unknown },
  stackName: string,
  config: Record<string, unknown>,
): string {
  writeFileSync(join(workDir, "Pulumi.yaml"), stringify({ name, runtime: "nodejs", config: schema }));
  const file = join(workDir, `Pulumi.${stackName}.yaml`);
  const before = (parse(readFileSync(file, { encoding: "utf8", flag: "a+" })) ?? {}) as Record<string, unknown>;
  writeFileSync(file, stringify({ ...before, config }));
  return name;
}

function note(event: EngineEvent, steps: Step[], errors: string[]): void {
  const metadata = event.resourcePreEvent?.metadata;
  if (metadata && metadata.op !== "same" && metadata.op !== "refresh") {
    const { op, type, urn } = metadata;
    const diffs = metadata.diffs ?? Object.keys(metadata.detailedDiff ?? {});
    const replaceKeys = Object.entries(metadata.detailedDiff ?? {})
      .filter(([, { diffKind }]) => diffKind.endsWith("-replace"))
      .map(([path]) => path);
    steps.push({ op, type, urn, name: urn.split("::").pop() ?? urn, diffs, replaceKeys });
  }
  const diagnostic = event.diagnosticEvent;
  if (diagnostic?.severity === "error") {
    const message = clean(diagnostic.message);
    // Pulumi repeats every resource's failure as "update failed" or "preview failed".
    if (message && !/^(update|preview|destroy|refresh|resource) failed/.test(message)) {
      const name = diagnostic.urn?.split("::").slice(2).join(" ");
      errors.push(name && !name.includes("pulumi:pulumi:Stack") ? `${name}: ${message}` : message);
    }
  }
}

/** Pulumi's text without colours, prefixes and stack traces. */
function clean(message: string): string {
  return message
    .replaceAll(/<\{%[^%]*%\}>/g, "")
    .replace(/^(error: )+/i, "")
    .replaceAll(/\n\s+at .+/g, "")
    .replace(/^Running program .* failed with an unhandled exception:\n(<ref \*1> )?(\w*Error: )?/s, "")
    .trim();
}

function plain(error: unknown, errors: string[]): Error {
  if (errors.length > 0) return new PulumiError(errors);
  const text = error instanceof Error ? error.message : String(error);
  const lines = [...text.matchAll(/^\s*error: (.+)$/gm)].map(([, line]) => clean(line ?? ""));
  return new PulumiError(lines.length > 0 ? lines : [clean(text)]);
}

function changesOf(changes: OpMap | undefined): Partial<Record<string, number>> {
  return { ...changes };
}

function values(outputs: Record<string, { value: unknown }>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]));
}
