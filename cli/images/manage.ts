import {
  cleanBuilds,
  type Promotion,
  promoteImage,
  prune,
  type Removed,
  removeFamily,
  rollbackFamily,
} from "../../images/index.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { printJson } from "../output/print.ts";
import { confirmed, familyFor, say } from "./context.ts";

type Options = CommonOptions & { wait?: boolean };

/** `mlt image promote IMAGE` */
export async function promoteCommand(image: string, options: Options & { deprecateNewer?: boolean }): Promise<number> {
  const { deprecateNewer = false } = options;
  return told(await promoteImage(await familyFor(options), image, { ...shared(options), deprecateNewer }), options);
}

/** `mlt image rollback [--to IMAGE]` */
export async function rollbackCommand(options: Options & { to?: string }): Promise<number> {
  return told(await rollbackFamily(await familyFor(options), options.to, shared(options)), options);
}

/** `mlt image prune --keep N` */
export async function pruneCommand(options: Options & { keep: number; dryRun?: boolean }): Promise<number> {
  const environment = await familyFor(options);
  const result = await prune(environment, options.keep, { ...shared(options), dryRun: options.dryRun ?? false });
  if (options.json) printJson(result);
  else {
    for (const { name, why } of result.kept) console.log(`kept     ${name}: ${why}`);
    for (const name of result.removed) console.log(`${options.dryRun ? "would go" : "removed "} ${name}`);
    if (result.removed.length === 0) console.log("Nothing to remove.");
  }
  return 0;
}

/** `mlt image clean` */
export async function cleanCommand(options: Options): Promise<number> {
  return gone(await cleanBuilds(await familyFor(options), shared(options)), options);
}

/** `mlt image remove`: every image of the family. */
export async function removeCommand(options: Options & { yes?: boolean }): Promise<number> {
  const environment = await familyFor(options);
  const { family } = environment.imageFamily;
  await confirmed(`Delete every image of the family ${family}? Machines can boot none of them any more.`, options.yes);
  return gone(await removeFamily(environment, shared(options)), options);
}

function shared({ wait = false }: Options) {
  return { wait, progress: say };
}

function told(promotion: Promotion, { json }: Options): number {
  if (json) printJson(promotion);
  else {
    const { family, image, previous } = promotion;
    console.log(`${family} names ${image} now${previous ? `, before ${previous}` : ""}`);
  }
  return 0;
}

function gone(removed: Removed, { json }: Options): number {
  if (json) printJson(removed);
  else {
    const names = [...removed.machines, ...removed.disks, ...removed.images];
    console.log(names.length === 0 ? "Nothing was left over." : `removed: ${names.join(", ")}`);
  }
  return 0;
}
