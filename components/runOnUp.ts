import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "@pulumi/command/local/command.js";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../training/errors.ts";
import { readPackage } from "../training/package.ts";
import type { RunOnUpConfig } from "./runOnUpConfig.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What decides whether a run starts, and the key that stands for it: nothing of it depends on where a clone lies. */
export interface PlannedRun extends RunOnUpConfig {
  /** Of the package's archive, which holds files, modes and contents and no times. */
  sha256: string;
  key: string;
}

/**
 * Reads and checks the package.
 * @throws {pulumi.RunError} if it cannot be used; nothing has been registered yet
 */
export async function planRunOnUp(config: RunOnUpConfig, root = ROOT): Promise<PlannedRun> {
  try {
    const { manifest, archive } = await readPackage(join(root, config.package));
    return { ...config, sha256: archive.sha256, key: keyOf(manifest.name, archive.sha256, config) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new pulumi.RunError(
      `mltraining:training.runOnUp.package cannot be used; nothing was changed.\n${error.message}`,
    );
  }
}

/** `mlt train --once`'s key: the same package, arguments and `runId` are the same run, whoever asks for it. */
export function keyOf(name: string, sha256: string, { arguments: args, runId }: RunOnUpConfig): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([sha256, args, runId]))
    .digest("hex");
  return `up-${name}-${hash.slice(0, 32)}`;
}

export interface RunOnUpArgs {
  run: PlannedRun;
  /** The data bucket. */
  bucket: pulumi.Input<string>;
}

/**
 * One run of a package, waited for by `pulumi up`, which fails with the run's last lines if it failed. What starts it
 * is a change of package, arguments or `runId`; the bucket remembers what ran, so that a second `up`, from whatever
 * computer, starts nothing again, and one that was interrupted follows the run that it had started. Without a change
 * nothing is called at all. Deleting this resource does nothing to the run.
 *
 * Cost: what the run's machine costs while it runs; `up` prints the price and the limit.
 */
export class RunOnUp extends pulumi.ComponentResource {
  /** The key, known once the run has ended well. */
  readonly done: pulumi.Output<string>;

  constructor(name: string, args: RunOnUpArgs, opts?: pulumi.ComponentResourceOptions) {
    const { run } = args;
    super("mltraining:index:RunOnUp", name, { package: run.package, arguments: run.arguments, runId: run.runId }, opts);
    // The engine calls from outside; bound to this program, it knows whether this is a preview and where lines are shown.
    const before = AsyncLocalStorage.bind((hook: pulumi.ResourceHookArgs) => announce(run, hook));
    const tell = new pulumi.ResourceHook(`${name}-run-on-up`, before, { onDryRun: true });
    const command = new Command(
      `${name}-run`,
      {
        // No shell, and no folder: the command runs where Pulumi.yaml lies, in this clone as in any other.
        interpreter: ["node"],
        create: "cli/runOnUp.js",
        environment: {
          MLT_UP_KEY: run.key,
          MLT_UP_PACKAGE: run.package,
          MLT_UP_SHA256: run.sha256,
          MLT_UP_ARGUMENTS: JSON.stringify(run.arguments),
          MLT_UP_RUN_ID: run.runId,
          MLT_UP_ENVIRONMENT: pulumi.interpolate`gs://${args.bucket}`,
        },
      },
      { parent: this, hooks: { beforeCreate: [tell], beforeUpdate: [tell] } },
    );
    // In a preview the output is known only if nothing will be called.
    if (pulumi.runtime.isDryRun()) command.stdout.apply(() => say("info", `${run.package}: ${NOTHING}`));
    this.done = command.stdout;
    this.registerOutputs({ done: this.done });
  }
}

const NOTHING = "no run starts; package, arguments and runId are as they were";

/** What a change means, before it happens, in the preview and in the update. */
function announce(run: PlannedRun, hook: pulumi.ResourceHookArgs): void {
  const preview = pulumi.runtime.isDryRun();
  const reasons = changedParts(hook.oldInputs?.environment, hook.newInputs?.environment);
  if (reasons === undefined) {
    say("info", `${run.package}: ${NOTHING}`);
    return;
  }
  const why = reasons.length === 0 ? "it has not run yet" : `${list(reasons)} changed`;
  const what = preview ? "pulumi up will start a run and wait for it" : "starting a run";
  say(preview ? "warn" : "info", `${run.package}: ${what}, because ${why}`);
}

function say(severity: "info" | "warn", text: string): void {
  void pulumi.log[severity](`training.runOnUp: ${text}`);
}

const PARTS: Readonly<Record<string, string>> = {
  MLT_UP_PACKAGE: "the package's folder",
  MLT_UP_SHA256: "the package",
  MLT_UP_ARGUMENTS: "the arguments",
  MLT_UP_RUN_ID: "runId",
};

/** In words, what of the key's parts differs; empty: there was no run before; `undefined`: the key is the same. */
export function changedParts(
  before: Record<string, unknown> | undefined,
  after: Record<string, unknown> | undefined,
): string[] | undefined {
  if (before === undefined) return [];
  if (before.MLT_UP_KEY === after?.MLT_UP_KEY) return undefined;
  const parts = Object.keys(PARTS).filter((part) => before[part] !== after?.[part]);
  return parts.length > 0 ? parts.map((part) => PARTS[part] ?? part) : ["the package's name"];
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
