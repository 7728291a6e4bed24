import type { Outcome } from "./contract.ts";
import { plainLine } from "./words.ts";

/** What an instructor sees while many stacks are worked on. */
export interface Progress {
  /** A phase begins: `Foundations`, `Students`, with so many stacks. */
  phase(title: string, count: number): void;
  start(stack: string): void;
  /** What is being done to a stack just now. */
  step(stack: string, step: string): void;
  end(outcome: Outcome): void;
  /** A line that stays. */
  say(line: string): void;
  close(): Promise<void>;
}

export const SILENT: Progress = {
  phase: () => undefined,
  start: () => undefined,
  step: () => undefined,
  end: () => undefined,
  say: () => undefined,
  close: async () => undefined,
};

const MARKS: Readonly<Record<Outcome["result"], string>> = { done: "✔", unchanged: "·", failed: "✖", skipped: "-" };

export function outcomeLine({ stack, result, reason, seconds }: Outcome): string {
  const time = result === "done" || result === "failed" ? ` (${seconds.toFixed(1)} s)` : "";
  return `${MARKS[result]} ${stack} ${result}${reason ? `: ${plainLine(reason)}` : ""}${time}`;
}

/** Lines for a log or a pipe: each stack's end, and what is said. */
export function plainProgress(print: (line: string) => void): Progress {
  return {
    ...SILENT,
    phase: (title, count) => print(`${title}: ${count}`),
    end: (outcome) => print(outcomeLine(outcome)),
    say: print,
  };
}

/** More lines than this would push the list out of the terminal. */
const SHOWN = 8;
const REDRAW_MS = 200;

/** A live list: a line for each phase with its count, below it what is being worked on. */
export async function liveProgress(): Promise<Progress> {
  const { Listr } = await import("listr2");
  type Task = { title?: string; output?: unknown };
  let title = "";
  let total = 0;
  let ended = 0;
  let failed = 0;
  let task: Task | undefined;
  let finish: () => void = () => undefined;
  let running: Promise<unknown> = Promise.resolve();
  const working = new Map<string, { step: string; since: number }>();
  const stays: string[] = [];

  const draw = () => {
    if (!task) return;
    task.title = `${title}: ${ended} of ${total}${failed > 0 ? `, ${failed} failed` : ""}`;
    const now = [...working].slice(0, SHOWN).map(([stack, { step, since }]) => {
      return `${stack} ${step} (${Math.round((Date.now() - since) / 1000)} s)`;
    });
    const more = working.size > SHOWN ? [`… and ${working.size - SHOWN} more`] : [];
    task.output = [...stays.slice(-SHOWN), ...now, ...more].join("\n");
  };
  const endPhase = async () => {
    if (!task) return;
    draw();
    if (task) task.output = stays.join("\n");
    finish();
    await running.catch(() => undefined);
    task = undefined;
    stays.length = 0;
    working.clear();
  };
  let ending: Promise<void> = Promise.resolve();
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();
  return {
    phase(name, count) {
      ending = ending.then(endPhase).then(() => {
        [title, total, ended, failed] = [name, count, 0, 0];
        const done = new Promise<void>((resolve) => {
          finish = resolve;
        });
        const list = new Listr(
          [
            {
              title: name,
              task: (_context, own) => {
                task = own;
                draw();
                return done;
              },
              rendererOptions: { persistentOutput: true, outputBar: Number.POSITIVE_INFINITY },
            },
          ],
          { registerSignalListeners: false, exitOnError: false },
        );
        running = list.run();
      });
    },
    start: (stack) => working.set(stack, { step: "starting", since: Date.now() }),
    step(stack, step) {
      const known = working.get(stack);
      if (known) known.step = plainLine(step, 80);
    },
    end(outcome) {
      working.delete(outcome.stack);
      ended += 1;
      if (outcome.result === "failed") {
        failed += 1;
        stays.push(outcomeLine(outcome));
      }
    },
    say: (line) => stays.push(plainLine(line)),
    async close() {
      await ending;
      await endPhase();
      clearInterval(timer);
    },
  };
}
