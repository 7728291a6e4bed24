export type Say = (line: string) => void;

/** One step of a rehearsal on its stage `S`; says in a few words what it did. */
export interface Step<S> {
  name: string;
  title: string;
  work: (stage: S, say: Say) => Promise<string>;
  /** Runs even if an earlier step failed: it takes away what is there. */
  always?: boolean;
}

export interface Played {
  phases: { name: string; seconds: number; detail: string }[];
  seconds: number;
  failure?: { phase: string; message: string };
  /** Whether Ctrl-C ended it. */
  interrupted: boolean;
}

/** What a rehearsal happens on. */
export interface Playable {
  /** Aborts when the user wants to go. */
  signal: AbortSignal | undefined;
  close(): Promise<void>;
}

/** Plays the steps in their order; after a failure, or Ctrl-C, only those that take away. Closes the stage. */
export async function play<S extends Playable>(steps: readonly Step<S>[], stage: S, say: Say): Promise<Played> {
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort(new Error("interrupted"));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  stage.signal = interrupted.signal;
  const started = performance.now();
  const played: Played = { phases: [], seconds: 0, interrupted: false };
  try {
    for (const step of steps) {
      if (played.failure && !step.always) continue;
      // What takes away is not broken off by the Ctrl-C that broke off the rest.
      if (step.always && interrupted.signal.aborted) stage.signal = undefined;
      await take(step, stage, played, say);
      if (interrupted.signal.aborted) played.failure ??= { phase: step.name, message: "interrupted" };
    }
  } finally {
    await stage.close();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
  return { ...played, seconds: secondsSince(started), interrupted: interrupted.signal.aborted };
}

async function take<S>(step: Step<S>, stage: S, played: Played, say: Say): Promise<void> {
  const started = performance.now();
  say(`… ${step.title}`);
  try {
    const detail = await step.work(stage, (line) => say(`    ${line}`));
    played.phases.push({ name: step.name, seconds: secondsSince(started), detail });
    say(`✔ ${step.title}: ${detail} (${secondsSince(started)} s)`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    played.phases.push({ name: step.name, seconds: secondsSince(started), detail: "failed" });
    played.failure ??= { phase: step.name, message };
    say(`✖ ${step.title}: ${message}`);
    if (process.env.MLT_DEBUG && error instanceof Error) console.error(error.stack);
  }
}

/** With one digit behind the point. */
export function secondsSince(started: number): number {
  return Math.round((performance.now() - started) / 100) / 10;
}

/** The closing table: what every rehearsal says first, then rows of its own, then what failed. */
export function closingTable(
  { phases, seconds, failure }: Pick<Played, "phases" | "seconds" | "failure">,
  rows: readonly (readonly [name: string, text: string])[],
): string {
  const all = [
    ...phases.map((phase) => [phase.name, `${phase.seconds.toFixed(1).padStart(6)} s  ${phase.detail}`] as const),
    ["total", `${seconds.toFixed(1).padStart(6)} s`] as const,
    ...rows,
    ...(failure ? [["failed", `${failure.phase}: ${failure.message}`] as const] : []),
  ];
  const width = Math.max(...all.map(([name]) => name.length));
  return all.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join("\n");
}
