import type { OpenEnvironment } from "../../training/environment.ts";
import { pausing, Unreachable } from "../../training/errors.ts";
import { type Sight, Watcher } from "../../training/watch.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { duration, plain, table } from "../output/print.ts";
import { openScreen } from "../output/screen.ts";

interface Options extends CommonOptions {
  interval: number;
  limit: number;
  untilEnded?: boolean;
}

/** Whoever shows what was seen. */
interface Show {
  /** All runs; `away`: since when Google has not been reached. */
  update(sights: Sight[], away?: { since: number; why: string }): void;
  end(): void;
}

export async function watch(options: Options): Promise<number> {
  const environment = await environmentFor(options);
  const watcher = new Watcher(environment, { limit: options.limit });
  // The first look fails like every other command's.
  let sights = await watcher.look();
  const leave = new AbortController();
  const stop = () => leave.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  const live = process.stdout.isTTY && process.env.TERM !== "dumb" && !options.json;
  const show = live ? liveTable(environment, stop) : lines(Boolean(options.json));
  try {
    let away: { since: number; why: string } | undefined;
    for (;;) {
      show.update(sights, away);
      if (leave.signal.aborted || (options.untilEnded && !sights.some(({ goesOn }) => goesOn))) return 0;
      await pausing(options.interval * 1000, leave.signal);
      if (leave.signal.aborted) return 0;
      try {
        sights = await watcher.look();
        away = undefined;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        away ??= { since: Date.now(), why: error.message };
      }
    }
  } finally {
    show.end();
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

const HEADER = ["RUN", "STATE", "TRY", "STEP", "MACHINE", "AGE", "COST", "CHECKPOINT", "LAST LINE"];

function cells({ status: run, cost, line }: Sight, now: number): string[] {
  const { machine, checkpoint } = run;
  const end = run.times.ended ? Date.parse(run.times.ended) : now;
  return [
    run.id,
    run.cancelRequested && !run.times.ended ? `${run.phase}, cancelling` : run.phase,
    String(run.attempt),
    stepOf(run.metrics),
    machine ? `${machine.type}${machine.spot ? " spot" : ""} ${machine.zone}` : "-",
    duration(end - Date.parse(run.times.submitted)),
    cost ? cost.amount.toFixed(3) : "-",
    checkpoint ? `${checkpoint.n}, ${duration(now - Date.parse(checkpoint.at))}` : "-",
    plain(run.reason ?? line ?? ""),
  ];
}

/** The trainer's own step, if its metrics name one. */
function stepOf(metrics: Record<string, unknown> | undefined): string {
  const step = metrics?.step ?? metrics?.epoch;
  return typeof step === "number" || typeof step === "string" ? plain(String(step)).slice(0, 10) : "-";
}

function liveTable({ environment }: OpenEnvironment, leave: () => void): Show {
  let last: { sights: Sight[]; away?: { since: number; why: string } } = { sights: [] };
  const draw = () => {
    const now = Date.now();
    const { sights, away } = last;
    const on = sights.filter(({ goesOn }) => goesOn).length;
    const title = `${environment}: ${on === 0 ? "nothing runs" : `${on} of ${sights.length} runs go on`}   (q leaves, the runs stay)`;
    const body = table(
      HEADER,
      sights.map((sight) => cells(sight, now)),
    ).split("\n");
    const foot = away ? [`not reached for ${duration(now - away.since)}: ${plain(away.why)}`] : [];
    screen.draw([title, "", ...body], foot);
  };
  const screen = openScreen(leave, draw);
  return {
    update(sights, away) {
      last = { sights, ...(away ? { away } : {}) };
      draw();
    },
    end() {
      screen.close();
      // What was seen last stays on the terminal.
      if (last.sights.length > 0)
        console.log(
          table(
            HEADER,
            last.sights.map((sight) => cells(sight, Date.now())),
          ),
        );
    },
  };
}

/** One line, or one JSON object, for each change: what is like before is not told again. */
function lines(json: boolean): Show {
  const told = new Map<string, string>();
  let away = false;
  return {
    update(sights, gone) {
      if (gone && !away) console.error(`mlt: ${gone.why}`);
      if (!gone && away) console.error("mlt: Google answers again");
      away = gone !== undefined;
      // The oldest first, as they happened.
      for (const sight of sights.toReversed()) {
        const { id, phase, attempt, restarts, reason, machine, checkpoint, cancelRequested } = sight.status;
        const change = { id, phase, attempt, restarts, cancelRequested, reason, machine, checkpoint, line: sight.line };
        const text = JSON.stringify(change);
        if (told.get(id) === text) continue;
        told.set(id, text);
        const at = new Date().toISOString();
        if (json) process.stdout.write(`${JSON.stringify({ at, ...change, cost: sight.cost })}\n`);
        else console.log(`${at} ${cells(sight, Date.now()).join("  ").trimEnd()}`);
      }
    },
    end() {},
  };
}
