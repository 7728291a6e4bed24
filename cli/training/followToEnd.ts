import type { RunSpec, RunStatus } from "../../training/contract.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import { EXIT } from "../../training/errors.ts";
import { exitCodeOf, type FollowEvent, follow } from "../../training/follow.ts";
import { lastLines, readLog } from "../../training/logs.ts";
import { costSoFar } from "../../training/price.ts";
import { LAUNCHING } from "../../training/reconcile.ts";
import { isTerminal } from "../../training/status.ts";
import { duration, money, plain, printJson } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

/** Lines of the log that a quiet command shows when the training failed. */
const LAST_LINES = 30;

export interface FollowToEndOptions {
  json?: boolean;
  quiet?: boolean;
}

export const say = (line: string): void => console.error(`mlt: ${line}`);

/** Follows a run, making its machines where one is missing, until it has ended or Ctrl-C; returns the exit code. */
export async function followToEnd(
  environment: OpenEnvironment,
  spec: RunSpec,
  signal: AbortSignal,
  { json, quiet }: FollowToEndOptions,
): Promise<number> {
  const screen = new Screen(!json && !quiet);
  const last = await follow(environment, spec.id, (event) => screen.show(event), { signal })
    .finally(() => screen.end())
    .catch((error: unknown) => {
      say(
        `following broke off; ${spec.id} goes on. Follow it: mlt logs ${spec.id} --follow; go on with it: mlt resume ${spec.id}`,
      );
      throw error;
    });
  if (json) printJson({ ...last, cost: costSoFar(last, Date.now()) });
  if (!isTerminal(last, spec.maxRestarts)) {
    say(left(last));
    return EXIT.interrupted;
  }
  const code = exitCodeOf(last);
  if (quiet && code !== 0) {
    console.error(lastLines((await readLog(environment, spec.id, last.attempt)).toString("utf8"), LAST_LINES));
  }
  if (!json) console.error(closing(last));
  return code;
}

/** What becomes of a run whose follower leaves. */
export function left({ id, phase, heartbeat }: RunStatus): string {
  if (phase === "preempted" || (LAUNCHING.includes(phase) && !heartbeat)) {
    return `stopped following; ${id} waits (${phase}), and nobody asks for its machine now. Go on: mlt resume ${id}; end it: mlt cancel ${id}`;
  }
  return `stopped following; ${id} goes on (${phase}). End it: mlt cancel ${id}; follow it: mlt logs ${id} --follow`;
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
  readonly #ticker: Ticker;
  readonly #timer: NodeJS.Timeout;
  readonly #begun = Date.now();
  readonly #logs: boolean;
  #phase = "";

  constructor(logs: boolean) {
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
    } else if (event.type === "progress") say(event.line);
    else if (event.status.phase !== this.#phase || event.status.reason) {
      this.#phase = event.status.phase;
      if (!event.status.times.ended || event.status.phase === "preempted")
        say(`${this.#phase}${event.status.reason ? `: ${plain(event.status.reason)}` : ""}`);
    }
  }

  end(): void {
    clearInterval(this.#timer);
    this.#ticker.clear();
  }
}
