import { basename } from "node:path";
import { isRunId } from "../../training/ids.ts";
import { bucketPath } from "../../training/paths.ts";
import { readSpec } from "../../training/runs.ts";
import { fetchFiles } from "../../training/transfer.ts";
import { environmentFor } from "../context.ts";
import { printJson, size } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";
import type { CommonOptions } from "../program.ts";

/** Downloads all of a run (its id), or what lies at a path (with a slash or gs://). */
export async function fetch(source: string, folder: string | undefined, options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  const isPath = source.includes("/");
  if (!isPath) await readSpec(environment, source);
  const from = isPath ? bucketPath(source, environment) : { bucket: environment.buckets.data, path: `runs/${source}/` };
  const target = folder ?? (isRunId(source) ? source : basename(source.replace(/\/+$/, "")));
  const ticker = new Ticker();
  const report = await fetchFiles(environment.objects, from, target, {
    progress: (done, total, file) => ticker.show(`${size(done)} of ${size(total)}  ${file}`),
  }).finally(() => ticker.clear());
  if (options.json) printJson({ source: `gs://${from.bucket}/${from.path}`, folder: target, ...report });
  else console.log(`${target}: ${report.transferred} fetched (${size(report.bytes)}), ${report.skipped} already there`);
  return 0;
}
