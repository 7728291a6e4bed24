import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestLevel } from "../../localcloud/guests/guest.ts";
import { EXIT } from "../../training/errors.ts";
import { type ImageFindings, ImagesStage } from "./imagesStage.ts";
import { NOT_SHOWN } from "./stage.ts";
import { closingTable, type Played, play, type Say, type Step } from "./steps.ts";

export interface ImagesOptions {
  guest?: GuestLevel;
  provider: "attached" | "real";
  json: boolean;
}

const STEPS: readonly Step<ImagesStage>[] = [
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

export interface ImagesReport extends ImageFindings, Omit<Played, "interrupted"> {
  ok: boolean;
  /** What this level does not show. */
  notShown: string[];
  provider: string;
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
  const say: Say = (line) => (options.json ? console.error : console.log)(line);
  const { interrupted, ...played } = await play(STEPS, stage, say).finally(() =>
    rmSync(folder, { recursive: true, force: true }),
  );
  const { level } = stage.findings;
  const notBuilt = level === "process" ? NOT_BUILT : [];
  const report: ImagesReport = {
    ok: !played.failure,
    ...stage.findings,
    notShown: level === "none" ? [] : [...NOT_SHOWN[level], ...notBuilt],
    provider: options.provider,
    ...played,
  };
  if (options.json) console.log(JSON.stringify(report));
  else console.log(`\n${table(report)}\n`);
  if (report.ok) return 0;
  return interrupted ? EXIT.interrupted : 1;
}

function table(report: ImagesReport): string {
  const missing = report.notShown.length > 0 ? ` (not shown: ${report.notShown.join(", ")})` : "";
  const rows: [string, string][] = [
    ["machine", `${report.level}${missing}`],
    ["provider", report.provider],
  ];
  for (const [name, seconds] of Object.entries(report.bootToTraining)) {
    rows.push([name, `boot to first line of training ${seconds} s`]);
  }
  if (report.phases.some(({ name }) => name === "prove")) rows.push(["left", report.left.join(", ") || "nothing"]);
  return closingTable(report, rows);
}
