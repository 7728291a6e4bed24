import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import { parse } from "yaml";
import type { Outcome, RunOptions } from "../../engine/automation.ts";
import { type Daemon, daemonStatus } from "../../localcloud/daemon.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import { printJson } from "../output/print.ts";
import { clientVariables } from "./variables.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

interface StackCommandOptions {
  state: string;
  stack: string;
  config: string[];
  provider: "attached" | "real";
  refresh?: boolean;
  expectNoChanges?: boolean;
  json?: boolean;
}

type Verb = "up" | "preview" | "destroy" | "refresh";

/** `mlt local up | preview | refresh | destroy`: this repository's program, run against the local cloud that is up. */
export function registerStack(local: Command): void {
  const add = (verb: Verb, description: string): Command =>
    local
      .command(verb)
      .description(description)
      .option("--state <folder>", "where the local cloud keeps all it knows", join(repository, ".mlt", "local"))
      .option("--stack <name>", "the Pulumi stack", "dev")
      .option(
        "-c, --config <key=value>",
        "a setting, such as training.machineType=e2-standard-8; repeatable",
        collect,
        [],
      )
      .addOption(
        new Option("--provider <kind>", "attached: this project's own thin gcp provider; real: the installed plugin")
          .choices(["attached", "real"])
          .default("attached"),
      )
      .option("--json", "print JSON for programs")
      .action((options: StackCommandOptions) => run(verb, options));
  add("up", "make the environment in the local cloud, as pulumi up does").option(
    "--refresh",
    "look at what is there first",
  );
  add("preview", "say what up would do")
    .option("--refresh", "look at what is there first")
    .option("--expect-no-changes", "fail if up would change anything");
  add("refresh", "take over into Pulumi's state what has changed behind its back");
  add("destroy", "take the environment away, as pulumi destroy does").option(
    "--refresh",
    "look at what is there first",
  );
}

async function run(verb: Verb, options: StackCommandOptions): Promise<void> {
  const stateFolder = resolve(options.state);
  const daemon = await daemonStatus(stateFolder);
  if (!daemon) throw new UserError("No local cloud runs here. Start one: npx mlt local start");
  const config = settings(options, daemon);
  const { openStack } = await import("../../engine/automation.ts");
  const { providerEnvironment } = await import("../../engine/endpoints.ts");
  const { default: program } = await import("../../index.ts");
  const interrupted = new AbortController();
  let said = "";
  const print = (text: string) => {
    said = (said + text).slice(-100_000);
    process.stdout.write(text);
  };
  const onSignal = () => {
    console.error("Stopping: calls under way are finished first.");
    interrupted.abort();
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const runOptions: RunOptions = {
    signal: interrupted.signal,
    refresh: options.refresh,
    expectNoChanges: options.expectNoChanges,
  };
  try {
    const stack = await openStack({
      stack: options.stack,
      config,
      program,
      folder: join(stateFolder, "stacks"),
      // The state that plain `pulumi` uses with the variables of `mlt local start`: both see the same stacks.
      backend: join(stateFolder, "pulumi"),
      providers: options.provider,
      environment: providerEnvironment({ url: daemon.url, accessToken: daemon.token }),
      // What Pulumi starts (training.runOnUp) works with the local cloud, too.
      commands: { environment: clientVariables(daemon, { stateFolder }) },
      onOutput: options.json ? undefined : print,
      progress: (line) => console.error(line),
    });
    try {
      const outcome = await stack[verb](runOptions);
      if (options.json) printJson(shown(outcome));
    } finally {
      await stack.close();
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Where Pulumi's output was shown, its own diagnostics have said it already.
    const shown = said.includes(message.split("\n").at(-1) ?? message);
    throw new UserError(shown ? `pulumi ${verb} failed; the reason stands above.` : message, EXIT.failedBeforeTraining);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function shown({ changes, steps, outputs, seconds }: Outcome): Outcome {
  return { changes, steps, outputs, seconds: Math.round(seconds * 10) / 10 };
}

/** The stack's own file, the local cloud's project, and what the command line adds; the last wins. */
function settings({ stack, config }: StackCommandOptions, daemon: Daemon): Record<string, unknown> {
  const file = join(repository, `Pulumi.${stack}.yaml`);
  const own = existsSync(file) ? (parse(readFileSync(file, "utf8")) as { config?: Record<string, unknown> }) : {};
  const all: Record<string, unknown> = { ...own?.config, "gcp:project": daemon.project };
  const wrong = config.filter((pair) => !/^[^=]+=/.test(pair));
  if (wrong.length > 0) {
    throw new UserError(`A setting is written as KEY=VALUE, such as environment=demo; got ${wrong.join(", ")}`);
  }
  for (const pair of config) set(all, pair.slice(0, pair.indexOf("=")), value(pair.slice(pair.indexOf("=") + 1)));
  return all;
}

/** Sets `environment`, `gcp:region` or, inside an object, `training.machineType`. */
function set(all: Record<string, unknown>, key: string, wanted: unknown): void {
  const [first = "", ...rest] = key.split(".");
  const name = first.includes(":") ? first : `mltraining:${first}`;
  const last = rest.pop();
  if (last === undefined) {
    all[name] = wanted;
    return;
  }
  let target = copyInto(all, name);
  for (const part of rest) target = copyInto(target, part);
  target[last] = wanted;
}

function copyInto(parent: Record<string, unknown>, name: string): Record<string, unknown> {
  const copy = { ...(parent[name] as Record<string, unknown> | undefined) };
  parent[name] = copy;
  return copy;
}

/** Numbers, booleans, lists and objects as JSON has them; anything else is text. */
function value(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function collect(pair: string, before: string[]): string[] {
  return [...before, pair];
}
