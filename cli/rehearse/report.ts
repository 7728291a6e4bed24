import type { RunStatus } from "../../training/contract.ts";

export interface PhaseTime {
  name: string;
  seconds: number;
  /** What it did, in a few words. */
  detail: string;
}

/** What a rehearsal has to say at its end; printed as a table, or with `--json` as one object. */
export interface RehearsalReport {
  ok: boolean;
  /** How faithful the machine was. */
  level: "nspawn" | "qemu" | "process" | "none";
  /** What this level does not show. */
  notShown: string[];
  provider: "attached" | "real";
  package: string;
  phases: PhaseTime[];
  run?: {
    id: string;
    phase: RunStatus["phase"];
    exitCode?: number;
    reason?: string;
    restarts: number;
    /** Seconds by part of the machine's life, as its status tells them. */
    seconds: Record<string, number>;
    /** From the machine's start to the trainer's. */
    bootToTraining?: number;
    outputs: number;
  };
  metrics?: Record<string, unknown>;
  /** How many are left, by kind; empty: nothing is. */
  leftovers: Record<string, number>;
  /** What Google keeps for a while after destroy: kind, name, and the date on which it goes. */
  softDeleted: { kind: string; name: string; until: string }[];
  /** The largest sum of resident memory of all processes, machine included; absent where that cannot be measured. */
  peakMemoryMiB?: number;
  seconds: number;
  failure?: { phase: string; message: string };
}

/** The parts of a machine's life from the times in its status, in order; a part that never began is absent. */
export function lifeOf(times: RunStatus["times"]): Record<string, number> {
  const parts: [string, string | undefined, string | undefined][] = [
    ["provision and boot", times.submitted, times.installing ?? times.running],
    ["install", times.installing, times.running],
    ["train", times.running, times.saving ?? times.ended],
    ["save", times.saving, times.ended],
  ];
  const seconds: Record<string, number> = {};
  for (const [name, from, to] of parts) {
    if (from && to) seconds[name] = Math.round((Date.parse(to) - Date.parse(from)) / 100) / 10;
  }
  return seconds;
}

/** The closing table. */
export function table(report: RehearsalReport): string {
  const rows: [string, string][] = report.phases.map(({ name, seconds, detail }) => [
    name,
    `${seconds.toFixed(1).padStart(6)} s  ${detail}`,
  ]);
  rows.push(["total", `${report.seconds.toFixed(1).padStart(6)} s`]);
  const level =
    report.notShown.length > 0 ? `${report.level} (not shown: ${report.notShown.join(", ")})` : report.level;
  rows.push(["machine", level], ["provider", report.provider]);
  if (report.run) {
    const { phase, reason, seconds, outputs } = report.run;
    const parts = Object.entries(seconds).map(([name, value]) => `${name} ${value} s`);
    rows.push(["run", [phase, ...(reason ? [reason] : []), ...parts].join(" · ")]);
    rows.push(["saved", `${outputs} ${outputs === 1 ? "object" : "objects"}`]);
  }
  for (const [name, value] of Object.entries(report.metrics ?? {})) {
    if (["number", "string", "boolean"].includes(typeof value)) rows.push([name.replaceAll("_", " "), String(value)]);
  }
  const left = Object.entries(report.leftovers).map(([kind, count]) => `${count} ${kind}`);
  if (report.phases.some(({ name }) => name === "prove"))
    rows.push(["left", left.length > 0 ? left.join(", ") : "nothing"]);
  for (const { kind, name, until } of report.softDeleted) {
    rows.push(["soft-deleted", `${kind} ${name}, restorable until ${until.slice(0, 10)}`]);
  }
  if (report.peakMemoryMiB !== undefined) rows.push(["peak memory", `${report.peakMemoryMiB} MiB, machine included`]);
  if (report.failure) rows.push(["failed", `${report.failure.phase}: ${report.failure.message}`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join("\n");
}
