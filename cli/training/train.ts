import { createInterface } from "node:readline";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import { minutesOf } from "../../training/manifest.ts";
import { checkKey, type OnceStart, readOnce, startOnce } from "../../training/once.ts";
import { type Estimate, estimate } from "../../training/price.ts";
import { readSpec } from "../../training/runs.ts";
import type { RunFlags } from "../../training/spec.ts";
import { planRun, type SubmitOptions, startRun } from "../../training/submit.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { duration, plain, printJson, size } from "../output/print.ts";
import { followToEnd, say } from "./followToEnd.ts";

interface TrainOptions extends CommonOptions {
  machineType?: string;
  maxHours?: number;
  maxRestarts?: number;
  spot?: boolean;
  checkpointSeconds?: number;
  fallbackToStandard?: boolean;
  zone?: string[];
  keep?: string;
  yes?: boolean;
  detach?: boolean;
  once?: string;
  quiet?: boolean;
}

export async function train(directory: string, args: readonly string[], options: TrainOptions): Promise<number> {
  const flags = flagsOf(options);
  const { once } = options;
  if (once !== undefined) checkKey(once);
  const environment = await environmentFor(options);
  const plan = await planRun(environment, directory, args, flags);
  const files = `${plan.package.files.length} files, ${size(plan.package.archive.bytes.length)}`;
  // What the key has started already asks for no money.
  if (once === undefined || !(await readOnce(environment, once))) {
    console.error(announcement(plan.spec, files));
    const answer = await confirmed(options);
    if (answer !== "yes") {
      console.error("Nothing was started.");
      return answer === "no" ? EXIT.usage : EXIT.interrupted;
    }
  }
  const begin = (options: SubmitOptions): Promise<OnceStart> =>
    once === undefined
      ? startRun(environment, plan, options).then((status) => ({ status, started: true }))
      : startOnce(environment, plan, once, options);
  // From here on the machine is on its way: Ctrl-C ends the following, never the run.
  return interruptible(async (signal) => {
    const asking = { ...flags, progress: say, signal, waits: !options.detach };
    const { status: first, started } = await whileAsking(signal, () => begin(asking));
    const spec = await readSpec(environment, first.id);
    if (!started) say(`${spec.id} was started with this key before (${first.phase}); nothing new is started`);
    if (options.detach) return detached(first, options);
    return followToEnd(environment, spec, signal, options);
  });
}

/** Says what Ctrl-C means as long as a machine is asked for. */
export async function whileAsking<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const leaving = () => {
    timer = setTimeout(() => {
      say(
        "the machine is still being asked for; when it is there, following ends. Ctrl-C again leaves at once, then see: mlt status latest",
      );
    }, 300);
  };
  signal.addEventListener("abort", leaving);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leaving);
  }
}

/** What a command that does not follow says and ends with. */
export function detached(status: RunStatus, options: { json?: boolean }): number {
  const { id, phase, reason } = status;
  if (options.json) printJson(status);
  if (phase === "queued" && !status.heartbeat) {
    say(`${id} is queued: ${plain(reason ?? "")}`);
    return EXIT.noCapacity;
  }
  if (!options.json) console.log(`${id} is on its way. See it: mlt status ${id}, mlt logs ${id} --follow`);
  return 0;
}

function flagsOf(options: TrainOptions): RunFlags {
  const { machineType, maxHours, maxRestarts, spot, checkpointSeconds, fallbackToStandard, zone, keep } = options;
  const keepMinutes = keep === undefined ? undefined : minutesOf(keep);
  if (keep !== undefined && keepMinutes === undefined) {
    throw new UserError(`--keep takes a time such as 30m or 2h; got "${keep}"`);
  }
  return {
    ...(machineType === undefined ? {} : { machineType }),
    ...(maxHours === undefined ? {} : { maxHours }),
    ...(maxRestarts === undefined ? {} : { maxRestarts }),
    ...(spot === undefined ? {} : { spot }),
    ...(checkpointSeconds === undefined ? {} : { checkpointSeconds }),
    ...(fallbackToStandard === undefined ? {} : { fallbackToStandard }),
    ...(zone === undefined ? {} : { zones: zone }),
    ...(keepMinutes === undefined ? {} : { keepMinutes }),
  };
}

/** Price, machine and time limit, before anything is created. */
export function announcement(spec: RunSpec, files: string): string {
  const hours = (Date.parse(spec.deadline) - Date.parse(spec.createdAt)) / 3_600_000;
  const cost = priceOf(estimate(spec.machineType, spec.spot, hours));
  const fallback = spec.spot && spec.fallbackToStandard ? priceOf(estimate(spec.machineType, false, hours)) : undefined;
  const keep = spec.keepMinutes > 0 ? `; a failed machine stays up for ${spec.keepMinutes} min, at the same price` : "";
  return [
    `${spec.package.name} (${files}) in ${spec.environment}`,
    `  machine   ${spec.machineType}${spec.spot ? " (Spot)" : ""}`,
    `  limit     ${duration(hours * 3_600_000)}, until ${spec.deadline}${keep}`,
    `  price     ${cost}`,
    ...(fallback ? [`  or        ${fallback}, on a standard machine if no zone has a Spot one`] : []),
    ...(spec.zones ? [`  zones     ${spec.zones.join(", ")}`] : []),
    `  command   ${[...spec.command, ...spec.arguments].map(word).join(" ")}`,
  ].join("\n");
}

function priceOf({ perHour, most, asOf }: Estimate): string {
  return perHour === undefined
    ? "price unknown"
    : `about ${perHour.toFixed(3)} USD/h, ${most!.toFixed(2)} USD at most (list prices of ${asOf})`;
}

/** A word of the command as a shell would need it, on one line. */
function word(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return text === plain(text) ? `'${text.replaceAll("'", "'\\''")}'` : JSON.stringify(text);
}

async function confirmed(options: TrainOptions): Promise<"yes" | "no" | "interrupted"> {
  if (options.yes) return "yes";
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UserError("Nobody can be asked here (no terminal): start it with --yes.");
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and Ctrl-D are answers, too: without them the question would stay open for ever.
    return await new Promise((resolve) => {
      const left = () => {
        process.stderr.write("\n");
        resolve("interrupted");
      };
      asking.once("SIGINT", left);
      asking.once("close", left);
      asking.question("Start it? [y/N] ", (answer) => {
        asking.off("close", left);
        resolve(/^y(es)?$/i.test(answer.trim()) ? "yes" : "no");
      });
    });
  } finally {
    asking.close();
  }
}
