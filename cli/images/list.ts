import { googleImages, listFamily, usualLimits } from "../../images/index.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { duration, printJson, size, table } from "../output/print.ts";
import { familyFor } from "./context.ts";

export async function list(options: CommonOptions): Promise<number> {
  const environment = await familyFor(options);
  const { family, project, maxMinutes } = environment.imageFamily;
  const images = await listFamily(googleImages(usualLimits(maxMinutes)), environment);
  if (options.json) {
    printJson(images);
    return 0;
  }
  if (images.length === 0) {
    console.log(`The family ${family} has no image in ${project} yet. \`mlt image build\` makes one.`);
    return 0;
  }
  const now = Date.now();
  const rows = images.map(({ name, standing, createdAt, bytes, cost, provenance }) => [
    name,
    family,
    standing,
    duration(now - Date.parse(createdAt)),
    size(bytes),
    `${cost.amount.toFixed(3)} USD/month`,
    `recipe ${provenance.recipe?.slice(0, 12) ?? "?"} on ${provenance.base ?? "?"}${provenance.commit ? `, commit ${shortCommit(provenance.commit)}` : ""}`,
  ]);
  console.log(table(["IMAGE", "FAMILY", "STANDING", "AGE", "SIZE", "COST", "PROVENANCE"], rows));
  const sum = images.reduce((total, { cost }) => total + cost.amount, 0);
  console.log(`(together about ${sum.toFixed(3)} USD per month; mlt image prune removes old ones)`);
  return 0;
}

function shortCommit(commit: string): string {
  return commit.replace(/^([0-9a-f]{12})[0-9a-f]*/, "$1");
}
