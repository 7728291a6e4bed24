import { basename } from "node:path";
import { UserError } from "../../training/errors.ts";
import { bucketPath } from "../../training/paths.ts";
import { readSpec, resolveRun } from "../../training/runs.ts";
import { fetchFiles } from "../../training/transfer.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { resumable } from "../interrupt.ts";
import { printJson, size } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

/** Downloads all of a run (its id, or `latest`), or what lies at a path (with a slash or gs://). */
export async function fetch(source: string, folder: string | undefined, options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  const { buckets } = environment;
  const isPath = source.includes("/");
  const run = isPath
    ? undefined
    : await resolveRun(environment, source).catch((error) => Promise.reject(hinted(error, source)));
  // Says which runs there are, where the id is none of them.
  if (run) await readSpec(environment, run);
  const from = run ? { bucket: buckets.data, path: `runs/${run}/` } : bucketPath(source, environment);
  const target = folder ?? run ?? basename(from.path.replace(/\/+$/, ""));
  if (target.trim() === "") {
    throw new UserError(
      `Where to put it has to be said for a whole bucket: mlt fetch gs://${from.bucket}/ FOLDER (. for the folder you are in).`,
    );
  }
  const ticker = new Ticker();
  const progress = (done: number, total: number, file: string) =>
    ticker.show(`${size(done)} of ${size(total)}  ${file}`);
  const report = await resumable(
    () => ticker.clear(),
    () => fetchFiles(environment.objects, from, target, { progress }),
  );
  if (options.json) printJson({ source: `gs://${from.bucket}/${from.path}`, folder: target, ...report });
  else console.log(`${target}: ${report.transferred} fetched (${size(report.bytes)}), ${report.skipped} already there`);
  return 0;
}

/** Who names a folder of the bucket without a slash is told how. */
function hinted(error: unknown, source: string): unknown {
  const isFolder = ["input", "output", "runs", "code"].includes(source);
  return isFolder && error instanceof UserError
    ? new UserError(`${error.message}\nA path has a slash in it: mlt fetch ${source}/`)
    : error;
}
