import { createInterface } from "node:readline";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import { exitCodeOf, type FollowEvent, follow } from "../../training/follow.ts";
import { lastLines, readLog } from "../../training/logs.ts";
import { minutesOf } from "../../training/manifest.ts";
import { checkKey, type OnceStart, readOnce, startOnce } from "../../training/once.ts";
import { costSoFar, estimate } from "../../training/price.ts";
import { readSpec } from "../../training/runs.ts";
import type { RunFlags } from "../../training/spec.ts";
import { isTerminal } from "../../training/status.ts";
import { planRun, type SubmitOptions, startRun } from "../../training/submit.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { duration, money, plain, printJson, size } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

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

/** Lines of the log that a quiet training shows when it failed. */
const LAST_LINES = 30;

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
  const say = (line: string) => console.error(`mlt: ${line}`);
  const begin = (options: SubmitOptions): Promise<OnceStart> =>
    once === undefined
      ? startRun(environment, plan, options).then((status) => ({ status, started: true }))
      : startOnce(environment, plan, once, options);
  // From here on the machine is on its way: Ctrl-C ends the following, never the run.
  return interruptible(async (signal) => {
    const leaving = () =>
      say(
        "the machine is still being asked for; when it is there, following ends. Ctrl-C again leaves at once, then see: mlt status latest",
      );
    signal.addEventListener("abort", leaving);
    const { status: first, started } = await begin({ ...flags, progress: say }).finally(() =>
      signal.removeEventListener("abort", leaving),
    );
    const spec = await readSpec(environment, first.id);
    if (!started) say(`${spec.id} was started with this key before (${first.phase}); nothing new is started`);
    if (options.detach) {
      if (options.json) printJson(first);
      else console.log(`${spec.id} is on its way. See it: mlt status ${spec.id}, mlt logs ${spec.id} --follow`);
      return 0;
    }
    const screen = new Screen(say, !options.json && !options.quiet);
    const last = await follow(environment, spec.id, (event) => screen.show(event), { signal })
      .finally(() => screen.end())
      .catch((error: unknown) => {
        say(`following broke off; ${spec.id} goes on. Follow it: mlt logs ${spec.id} --follow`);
        throw error;
      });
    const ended = isTerminal(last, spec.maxRestarts);
    if (options.json) printJson({ ...last, cost: costSoFar(last, Date.now()) });
    if (!ended) {
      say(
        `stopped following; ${spec.id} goes on (${last.phase}). End it: mlt cancel ${spec.id}; follow it: mlt logs ${spec.id} --follow`,
      );
      return EXIT.interrupted;
    }
    const code = exitCodeOf(last);
    if (options.quiet && code !== 0) {
      console.error(lastLines((await readLog(environment, spec.id, last.attempt)).toString("utf8"), LAST_LINES));
    }
    if (!options.json) console.error(closing(last));
    return code;
  });
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
  const price = estimate(spec.machineType, spec.spot, hours);
  const cost =
    price.perHour === undefined
      ? "price unknown"
      : `about ${price.perHour.toFixed(3)} USD/h, ${price.most!.toFixed(2)} USD at most (list prices of ${price.asOf})`;
  const keep = spec.keepMinutes > 0 ? `; a failed machine stays up for ${spec.keepMinutes} min, at the same price` : "";
  return [
    `${spec.package.name} (${files}) in ${spec.environment}`,
    `  machine   ${spec.machineType}${spec.spot ? " (Spot)" : ""}`,
    `  limit     ${duration(hours * 3_600_000)}, until ${spec.deadline}${keep}`,
    `  price     ${cost}`,
    `  command   ${[...spec.command, ...spec.arguments].map(word).join(" ")}`,
  ].join("\n");
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

function closing(status: RunStatus): string {
  const cost = costSoFar(status, Date.now());
  const parts = [
    `${status.id}: ${status.phase}${status.reason ? `: ${plain(status.reason)}` : ""}`,
    ...(cost ? [`cost ${money(cost)}`] : []),
    ...(status.metrics ? [`metrics ${plain(JSON.stringify(status.metrics))}`] : []),
    ...(status.times.running ? [`results: mlt fetch ${status.id}`] : []),
  ];
  return parts.map((part) => `mlt: ${part}`).join("\n");
}

/** The log on stdout, what happens around it on stderr, and on a terminal a line that says how long it has been. */
class Screen {
  readonly #say: (line: string) => void;
  readonly #ticker: Ticker;
  readonly #timer: NodeJS.Timeout;
  readonly #begun = Date.now();
  readonly #logs: boolean;
  #phase = "";

  constructor(say: (line: string) => void, logs: boolean) {
    this.#say = say;
    this.#logs = logs;
    this.#ticker = new Ticker(logs);
    this.#timer = setInterval(() => {
      if (this.#phase) this.#ticker.show(`${this.#phase}, ${duration(Date.now() - this.#begun)}`);
    }, 1000);
  }

  show(event: FollowEvent): void {
    this.#ticker.clear();
    if (event.type === "log") {
      if (this.#logs) process.stdout.write(event.data);
    } else if (event.type === "progress") this.#say(event.line);
    else if (event.status.phase !== this.#phase || event.status.reason) {
      this.#phase = event.status.phase;
      if (!event.status.times.ended)
        this.#say(`${this.#phase}${event.status.reason ? `: ${plain(event.status.reason)}` : ""}`);
    }
  }

  end(): void {
    clearInterval(this.#timer);
    this.#ticker.clear();
  }
}
