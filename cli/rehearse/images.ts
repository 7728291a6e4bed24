import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestLevel } from "../../localcloud/guests/guest.ts";
import { EXIT } from "../../training/errors.ts";
import { type ImageFindings, ImagesStage, type Say } from "./imagesStage.ts";
import { NOT_SHOWN } from "./stage.ts";

export interface ImagesOptions {
  guest?: GuestLevel;
  provider: "attached" | "real";
  json: boolean;
}

interface Step {
  name: string;
  title: string;
  work: (stage: ImagesStage, say: Say) => Promise<string>;
  /** Runs even if an earlier step failed: it takes away what is there. */
  always?: boolean;
}

const STEPS: readonly Step[] = [
  { name: "prepare", title: "Prepare what is missing", work: (stage, say) => stage.prepare(say) },
  { name: "start", title: "Start the local Google Cloud", work: (stage) => stage.start() },
  { name: "first", title: "Build the first image (pulumi up)", work: (stage) => stage.up() },
  { name: "put", title: "Upload the inputs (mlt put)", work: (stage) => stage.put() },
  {
    name: "run",
    title: "Run from it (mlt train examples/census)",
    work: (stage, say) => stage.train(say, "first image"),
  },
  { name: "again", title: "Nothing changed, nothing is built (pulumi preview)", work: (stage) => stage.unchanged() },
  {
    name: "change",
    title: "Change the recipe (pulumi preview)",
    work: (stage) => stage.change("# a second edition of this recipe"),
  },
  { name: "second", title: "Build the second image (pulumi up)", work: (stage) => stage.up() },
  {
    name: "break",
    title: "Break the smoke test (pulumi preview)",
    work: (stage) => stage.change("smokeTest: [python, -c, import no_such_package]"),
  },
  { name: "refused", title: "The broken image is refused (pulumi up)", work: (stage) => stage.broken() },
  { name: "rollback", title: "Roll the family back (mlt image rollback)", work: (stage) => stage.rollback() },
  {
    name: "run back",
    title: "Run from the first image again",
    work: (stage, say) => stage.train(say, "after rollback"),
  },
  {
    name: "destroy",
    title: "Take everything away (pulumi destroy)",
    work: (stage, say) => stage.destroy(say),
    always: true,
  },
  { name: "prove", title: "Prove that nothing is left", work: (stage) => stage.prove(), always: true },
];

export interface ImagesReport extends ImageFindings {
  ok: boolean;
  /** What this level does not show. */
  notShown: string[];
  provider: string;
  phases: { name: string; seconds: number; detail: string }[];
  seconds: number;
  failure?: { phase: string; message: string };
}

/** Of a build at a level without a system of its own. */
const NOT_BUILT = ["apt packages", "steps of the recipe"];

/**
 * Rehearses the life of an image family: build, run from it, build another, a broken one, the way back. Returns the exit
 * code: 0 if every step ended well and nothing is left, 130 after Ctrl-C, 1 otherwise.
 */
export async function rehearseImages(options: ImagesOptions): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-rehearsal-"));
  const stage = new ImagesStage({ ...options, folder });
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort(new Error("interrupted"));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  stage.signal = interrupted.signal;
  const started = performance.now();
  const say: Say = (line) => (options.json ? console.error : console.log)(line);
  const report: ImagesReport = {
    ok: false,
    ...stage.findings,
    notShown: [],
    provider: options.provider,
    phases: [],
    seconds: 0,
  };
  try {
    for (const step of STEPS) {
      if (report.failure && !step.always) continue;
      await take(step, stage, report, say);
    }
  } finally {
    await stage.close();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    rmSync(folder, { recursive: true, force: true });
  }
  Object.assign(report, stage.findings);
  const { level } = report;
  if (level !== "none") report.notShown = [...NOT_SHOWN[level], ...(level === "process" ? NOT_BUILT : [])];
  report.seconds = since(started);
  report.ok = !report.failure;
  if (options.json) console.log(JSON.stringify(report));
  else console.log(`\n${table(report)}\n`);
  if (report.ok) return 0;
  return interrupted.signal.aborted ? EXIT.interrupted : 1;
}

async function take(step: Step, stage: ImagesStage, report: ImagesReport, say: Say): Promise<void> {
  const started = performance.now();
  say(`… ${step.title}`);
  try {
    const detail = await step.work(stage, (line) => say(`    ${line}`));
    report.phases.push({ name: step.name, seconds: since(started), detail });
    say(`✔ ${step.title}: ${detail} (${since(started)} s)`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    report.phases.push({ name: step.name, seconds: since(started), detail: "failed" });
    report.failure ??= { phase: step.name, message };
    say(`✖ ${step.title}: ${message}`);
    if (process.env.MLT_DEBUG && error instanceof Error) console.error(error.stack);
  }
}

function since(started: number): number {
  return Math.round((performance.now() - started) / 100) / 10;
}

function table(report: ImagesReport): string {
  const rows: [string, string][] = report.phases.map(({ name, seconds, detail }) => [
    name,
    `${seconds.toFixed(1).padStart(6)} s  ${detail}`,
  ]);
  rows.push(["total", `${report.seconds.toFixed(1).padStart(6)} s`]);
  const missing = report.notShown.length > 0 ? ` (not shown: ${report.notShown.join(", ")})` : "";
  rows.push(["machine", `${report.level}${missing}`], ["provider", report.provider]);
  for (const [name, seconds] of Object.entries(report.bootToTraining)) {
    rows.push([name, `boot to first line of training ${seconds} s`]);
  }
  if (report.phases.some(({ name }) => name === "prove")) rows.push(["left", report.left.join(", ") || "nothing"]);
  if (report.failure) rows.push(["failed", `${report.failure.phase}: ${report.failure.message}`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join("\n");
}
