import { chosenEnvironment, openEnvironment, saveChoice } from "../../training/environment.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { printJson } from "../output/print.ts";

/** Checks that a bucket is an environment and remembers it; without a bucket, tells which one is in use. */
export async function use(bucket: string | undefined, options: CommonOptions): Promise<number> {
  const chosen = bucket === undefined ? await chosenEnvironment(options.environment) : { url: bucket, from: "" };
  const environment = await openEnvironment(chosen.url);
  const { buckets, project, region, environment: name } = environment;
  const file = bucket === undefined ? undefined : await saveChoice(buckets.data, project);
  if (options.json) {
    printJson({
      environment: name,
      project,
      region,
      bucket: `gs://${buckets.data}`,
      ...(file ? { file } : { from: chosen.from }),
    });
  } else {
    const said = file ? "Using" : `In use (by ${chosen.from}):`;
    console.log(`${said} ${name}: project ${project}, region ${region}, bucket gs://${buckets.data}`);
  }
  return 0;
}
