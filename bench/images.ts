import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ImagesStage } from "../cli/rehearse/imagesStage.ts";
import { type Row, timed } from "./measure.ts";

const REPOSITORY = dirname(import.meta.dirname);
const PREPARED_SECONDS = 5;
const PLAIN_SECONDS = 40;

/** A census run's way from the machine's start to its first line: on an image of one's own, and on the stock image. */
export async function imageRows(progress: (line: string) => void): Promise<Row[]> {
  const prepared = await onPrepared(progress);
  const plain = await onPlain(progress);
  return [row("an image of one's own", prepared, PREPARED_SECONDS), row("the stock image", plain, PLAIN_SECONDS)];
}

interface Boot {
  level: string;
  seconds: number;
}

function row(image: string, { level, seconds }: Boot, target: number): Row {
  return {
    measure: `boot to first line of training, ${image}`,
    value: `${seconds.toFixed(1)} s`,
    target: `< ${target} s (nspawn)`,
    met: level === "nspawn" ? seconds < target : undefined,
    note: `examples/census, guest ${level}`,
  };
}

async function onPrepared(progress: (line: string) => void): Promise<Boot> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-bench-"));
  const stage = new ImagesStage({ folder, provider: "attached" });
  const variables = { ...process.env };
  try {
    await stage.prepare(progress);
    await stage.start();
    progress("an image for examples/census is built");
    await stage.up();
    await stage.put();
    progress("a run from it");
    await stage.train(progress, "prepared");
    await stage.destroy(progress);
    return { level: stage.findings.level, seconds: stage.findings.bootToTraining.prepared ?? Number.NaN };
  } finally {
    await stage.close();
    process.env = variables;
    rmSync(folder, { recursive: true, force: true });
  }
}

async function onPlain(progress: (line: string) => void): Promise<Boot> {
  progress("a rehearsal of examples/census on the stock image");
  const run = await timed(process.execPath, ["cli/mlt.js", "rehearse", "--json"], {
    cwd: REPOSITORY,
    env: process.env,
  });
  const report = JSON.parse(run.output.trim().split("\n").at(-1) ?? "");
  if (!report.ok) throw new Error(`The rehearsal failed:\n${run.output.slice(-2000)}`);
  return { level: report.level, seconds: report.run.bootToTraining };
}
