import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Listr, type ListrTask } from "listr2";
import type { GuestLevel } from "../../localcloud/guests/guest.ts";
import { EXIT, readPackage } from "../../training/index.ts";
import { measureMemory } from "./memory.ts";
import { type RehearsalReport, table } from "./report.ts";
import { Stage } from "./stage.ts";

export interface RehearsalOptions {
  packageFolder: string;
  guest?: GuestLevel;
  provider: "attached" | "real";
  keep: boolean;
  json: boolean;
}

interface Step {
  name: string;
  title: string;
  work: (stage: Stage, say: (line: string) => void) => Promise<string>;
  /** Runs even if an earlier step failed: it takes away what is there. */
  always?: boolean;
}

const STEPS: Step[] = [
  { name: "prepare", title: "Prepare what is missing", work: (stage, say) => stage.prepare(say) },
  { name: "start", title: "Start the local Google Cloud", work: (stage) => stage.start() },
  { name: "up", title: "Provision the environment (pulumi up)", work: (stage, say) => stage.up(say) },
  { name: "put", title: "Upload the inputs (mlt put)", work: (stage, say) => stage.put(say) },
  { name: "train", title: "Train on a machine of its own (mlt train)", work: (stage, say) => stage.train(say) },
  { name: "outcome", title: "Look at the outcome (mlt status, fetch)", work: (stage) => stage.outcome() },
  {
    name: "destroy",
    title: "Take everything away (pulumi destroy)",
    work: (stage, say) => stage.destroy(say),
    always: true,
  },
  { name: "prove", title: "Prove that nothing is left", work: (stage) => stage.prove(), always: true },
];

/**
 * Rehearses the whole life of an environment and prints what it took. Returns the exit code: 0 if the run succeeded and
 * nothing is left, 130 after Ctrl-C, 1 otherwise.
 * @throws {UserError} what is wrong with the package, before anything begins
 */
export async function rehearse(options: RehearsalOptions): Promise<number> {
  const packageFolder = resolve(options.packageFolder);
  await readPackage(packageFolder); // before anything is prepared: its problems are the user's, and told at once
  const folder = mkdtempSync(join(tmpdir(), "mlt-rehearsal-"));
  const stage = new Stage({ ...options, packageFolder, folder });
  const report: RehearsalReport = {
    ok: false,
    level: "none",
    notShown: [],
    provider: options.provider,
    package: options.packageFolder,
    phases: [],
    leftovers: {},
    softDeleted: [],
    seconds: 0,
  };
  const memory = measureMemory();
  const started = performance.now();
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort(new Error("interrupted"));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  stage.signal = interrupted.signal;

  const steps = options.keep ? STEPS.filter(({ always }) => !always) : STEPS;
  const list = new Listr(
    steps.map((step) => asTask(step, stage, report)),
    {
      concurrent: false,
      exitOnError: false,
      // Its own answer to Ctrl-C is to end the process at once, with everything still there.
      registerSignalListeners: false,
      renderer: options.json ? "silent" : process.stdout.isTTY ? "default" : "silent",
      rendererOptions: { collapseSubtasks: false },
    },
  );
  if (options.json || !process.stdout.isTTY)
    stage.announce = (line) => (options.json ? console.error : console.log)(line);
  try {
    await list.run();
  } finally {
    await stage.close();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
  Object.assign(report, stage.findings());
  report.seconds = Math.round((performance.now() - started) / 100) / 10;
  report.peakMemoryMiB = memory.stop();
  const left = Object.keys(report.leftovers).length;
  report.ok = !report.failure && report.run?.phase === "succeeded" && (options.keep || left === 0);
  if (!report.failure && !report.ok) {
    report.failure =
      report.run?.phase === "succeeded"
        ? {
            phase: "prove",
            message: `left behind: ${Object.entries(report.leftovers)
              .map(([kind, count]) => `${count} ${kind}`)
              .join(", ")}`,
          }
        : {
            phase: "train",
            message: `the run ended ${report.run?.phase ?? "without a status"}: ${report.run?.reason ?? "no reason given"}`,
          };
  }
  if (options.json) console.log(JSON.stringify(report));
  else console.log(`\n${table(report)}\n`);
  if (options.keep) console.error(await stage.keep());
  else rmSync(folder, { recursive: true, force: true });
  if (report.ok) return 0;
  return interrupted.signal.aborted ? EXIT.interrupted : 1;
}

/** One line of the live list: its time is taken, its failure is kept and stops all but the steps that take away. */
function asTask(step: Step, stage: Stage, report: RehearsalReport): ListrTask {
  return {
    title: step.title,
    skip: () => (report.failure && !step.always ? "an earlier step failed" : false),
    task: async (_context, task) => {
      const started = performance.now();
      const seconds = () => Math.round((performance.now() - started) / 100) / 10;
      stage.announce(`… ${step.title}`);
      try {
        const detail = await step.work(stage, (line) => {
          task.output = line;
          stage.announce(`    ${line}`);
        });
        report.phases.push({ name: step.name, seconds: seconds(), detail });
        task.title = `${step.title}: ${detail} (${seconds()} s)`;
        stage.announce(`✔ ${step.title}: ${detail} (${seconds()} s)`);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        report.phases.push({ name: step.name, seconds: seconds(), detail: "failed" });
        report.failure ??= { phase: step.name, message };
        stage.announce(`✖ ${step.title}: ${message}`);
        if (process.env.MLT_DEBUG && error instanceof Error) console.error(error.stack);
        throw error;
      }
    },
    rendererOptions: { persistentOutput: false, outputBar: 1 },
  };
}
