import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestDriver, GuestLevel } from "../../localcloud/guests/guest.ts";
import { EXIT } from "../../training/errors.ts";
import { closingTable, type Played, play, type Say, type Step } from "./steps.ts";
import { type WorkstationFindings, WorkstationStage } from "./workstationStage.ts";

export interface WorkstationOptions {
  guest?: GuestLevel;
  /** Boots the machine, in the place of the level's own driver. */
  driver?: GuestDriver;
  provider: "attached" | "real";
  json: boolean;
}

const STEPS: readonly Step<WorkstationStage>[] = [
  { name: "prepare", title: "Prepare what is missing", work: (stage, say) => stage.prepare(say) },
  { name: "start", title: "Start the local Google Cloud", work: (stage) => stage.start() },
  { name: "up", title: "Make the workstation (pulumi up)", work: (stage, say) => stage.up(say) },
  { name: "status", title: "Look while it starts (mlt status)", work: (stage, say) => stage.starting(say) },
  { name: "ready", title: "Wait until it is ready", work: (stage, say) => stage.ready(say) },
  { name: "login", title: "Log in, as one of its people and as a stranger (mlt ssh)", work: (stage) => stage.login() },
  { name: "jupyter", title: "JupyterLab through the tunnel (mlt jupyter)", work: (stage) => stage.jupyter() },
  { name: "mount", title: "A file each way through the mount", work: (stage) => stage.mount() },
  {
    name: "exec",
    title: "Train in the background (mlt cp, mlt exec)",
    work: (stage, say) => stage.background(say),
  },
  { name: "tensorboard", title: "Its curves (mlt tensorboard)", work: (stage) => stage.tensorboard() },
  { name: "idle", title: "Nobody works: it stops by itself", work: (stage, say) => stage.idle(say) },
  { name: "start again", title: "Start it again (mlt start)", work: (stage) => stage.again() },
  { name: "night", title: "The nightly schedule stops it", work: (stage) => stage.night() },
  {
    name: "destroy",
    title: "Take everything away (pulumi destroy)",
    work: (stage, say) => stage.destroy(say),
    always: true,
  },
  { name: "prove", title: "Prove that nothing is left", work: (stage) => stage.prove(), always: true },
];

/** What no guest of this computer shows. */
const NOT_SHOWN = ["GPU", "OS Login's sign-in at Google", "the real 60 minutes and the real night"];

export interface WorkstationReport extends WorkstationFindings, Omit<Played, "interrupted"> {
  ok: boolean;
  /** What this level does not show. */
  notShown: string[];
  provider: string;
}

/**
 * Rehearses a workstation's life: made, watched while it starts, worked on, stopped when idle, started again, stopped at
 * night, taken away. Returns the exit code: 0 if every step ended well and nothing is left, 130 after Ctrl-C, 1 otherwise.
 */
export async function rehearseWorkstation(options: WorkstationOptions): Promise<number> {
  const { code, report } = await playWorkstation(options, options.json ? console.error : console.log);
  if (options.json) console.log(JSON.stringify(report));
  else console.log(`\n${table(report)}\n`);
  return code;
}

/** The same without the table. */
export async function playWorkstation(
  options: WorkstationOptions,
  say: Say,
): Promise<{ code: number; report: WorkstationReport }> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-rehearsal-"));
  const stage = new WorkstationStage({ ...options, folder });
  const { interrupted, ...played } = await play(STEPS, stage, say).finally(() =>
    rmSync(folder, { recursive: true, force: true }),
  );
  const report: WorkstationReport = {
    ok: !played.failure,
    ...stage.findings,
    notShown: stage.findings.level === "none" ? [] : NOT_SHOWN,
    provider: options.provider,
    ...played,
  };
  return { code: report.ok ? 0 : interrupted ? EXIT.interrupted : 1, report };
}

export function table(report: WorkstationReport): string {
  const missing = report.notShown.length > 0 ? ` (not shown: ${report.notShown.join(", ")})` : "";
  const rows: [string, string][] = [
    ["machine", `${report.level}${missing}`],
    ["provider", report.provider],
    ...Object.entries(report.boots).map(([name, text]): [string, string] => [name, text]),
  ];
  if (report.phases.some(({ name }) => name === "prove")) rows.push(["left", report.left.join(", ") || "nothing"]);
  return closingTable(report, rows);
}
