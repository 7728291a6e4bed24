import { bucketPath, requireWritable } from "../../training/paths.ts";
import { putFiles } from "../../training/transfer.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { resumable } from "../interrupt.ts";
import { printJson, size } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

export async function put(source: string, path: string, options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  const target = bucketPath(path, environment);
  requireWritable(target, environment);
  const ticker = new Ticker();
  const progress = (done: number, total: number, file: string) =>
    ticker.show(`${size(done)} of ${size(total)}  ${file}`);
  const report = await resumable(
    () => ticker.clear(),
    () => putFiles(environment.objects, source, target, { progress }),
  );
  const url = `gs://${target.bucket}/${target.path}`;
  if (options.json) printJson({ target: url, ...report });
  else console.log(`${url}: ${report.transferred} uploaded (${size(report.bytes)}), ${report.skipped} already there`);
  return 0;
}
