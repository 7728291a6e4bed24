import { createInterface } from "node:readline";
import type { Inventory, Item } from "../../cleanup/types.ts";
import { CHECK, chosen, type Plan, planRemoval, sumOf, verdict } from "../../cleanup/verdict.ts";
import { bucketOf } from "../../training/environment.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import { nearest } from "../../training/nearest.ts";
import { plain, printJson, size } from "../output/print.ts";
import { chosenProject } from "./project.ts";
import { countByEnvironment, itemTable, remarks } from "./report.ts";

export interface CleanOptions {
  project?: string;
  check?: boolean;
  delete?: boolean;
  includeData?: boolean;
  yes?: boolean;
  restore?: string;
  generation?: string;
  json?: boolean;
}

/** `mlt clean`: lists, proves, removes, restores. Ends with 0, 1 (something is left) or 2 (not everything was seen). */
export async function clean(environment: string | undefined, options: CleanOptions): Promise<number> {
  checkOptions(environment, options);
  const { project, from } = await chosenProject(options.project);
  const say = (line: string) => console.error(line);
  if (options.restore !== undefined) return restoreBucket(project, options.restore, options, say);
  say(`Looking at the project ${project} (by ${from}).`);
  const { inventory } = await import("../../cleanup/inventory.ts");
  const found = await inventory(project, environment === undefined ? {} : { environment });
  if (environment !== undefined) await hintAtNames(project, found, say);
  if (options.delete) return removeAll(found, options, say);
  return options.check ? check(found, options) : list(found, options);
}

function checkOptions(environment: string | undefined, options: CleanOptions): void {
  const { check: checks, delete: deletes, restore, generation, includeData, yes } = options;
  const forms = [checks && "--check", deletes && "--delete", restore !== undefined && "--restore"].filter(Boolean);
  const problems = [
    ...(forms.length > 1 ? [`${forms.join(" and ")} do not go together: do one after the other`] : []),
    ...(includeData && !deletes ? ["--include-data goes with --delete"] : []),
    ...(yes && !deletes ? ["--yes goes with --delete"] : []),
    ...(generation !== undefined && restore === undefined ? ["--generation goes with --restore"] : []),
    ...(generation !== undefined && !/^\d{1,19}$/.test(generation)
      ? [`--generation is a number, as \`mlt clean\` shows it; got "${plain(generation)}"`]
      : []),
    ...(environment !== undefined && restore !== undefined ? ["--restore takes a bucket and no environment"] : []),
    ...(environment !== undefined && !/^[a-z0-9_-]{1,63}$/.test(environment)
      ? [`an environment is named as in its resources' names, such as mlt-dev; got "${plain(environment)}"`]
      : []),
  ];
  if (problems.length > 0) throw new UserError(`mlt clean: ${problems.join("; ")}.`);
}

/** A name of which there is nothing may be a slip of the pen, and "nothing is left" would be believed. */
async function hintAtNames(project: string, found: Inventory, say: (line: string) => void): Promise<void> {
  const { environment = "" } = found;
  if (found.items.length > 0 || found.softDeleted.length > 0) return;
  const { inventory } = await import("../../cleanup/inventory.ts");
  const all = await inventory(project, { sizes: false });
  const names = [...new Set([...all.items, ...all.softDeleted].map((each) => each.environment))].sort();
  if (names.length === 0) return;
  const near = nearest(environment, names);
  say(
    `There is nothing of ${environment}; in ${project} there are ${names.join(", ")}.${near ? ` Did you mean ${near}?` : ""}`,
  );
}

function list(found: Inventory, { json }: CleanOptions): number {
  const items = chosen(found);
  const { project, environment } = found;
  const standing = found.items.filter((item) => !items.includes(item));
  if (json) printJson({ ...asJson(found, items), standing: standing.length });
  else {
    const nothing = environment === undefined ? `Nothing is past in ${project}.` : `Nothing of ${environment} stands.`;
    const more =
      standing.length > 0
        ? [`Not past, and so not listed: ${countByEnvironment(standing)}. All of one: mlt clean ENVIRONMENT`]
        : [];
    print(items.length > 0 ? itemTable(items) : nothing, ...more, ...remarks(found));
  }
  return found.gaps.length > 0 ? CHECK.incomplete : 0;
}

function check(found: Inventory, { json }: CleanOptions): number {
  const { code, left, complete } = verdict(found);
  const whose = found.environment === undefined ? "of ours" : `of ${found.environment}`;
  if (json) printJson({ ...asJson(found, left), clean: code === CHECK.clean });
  else {
    const nothing = complete ? `Nothing ${whose} is left in ${found.project}.` : `Nothing ${whose} was seen.`;
    print(left.length > 0 ? itemTable(left) : nothing, ...remarks(found));
  }
  return code;
}

async function removeAll(found: Inventory, options: CleanOptions, say: (line: string) => void): Promise<number> {
  const plan = planRemoval(found, options);
  const keptBefore = plan.kept;
  if (plan.remove.length === 0) {
    if (options.json) printJson({ ...asJson(found, []), removed: [], failed: [], kept: keptBefore });
    else print("There is nothing to remove.", ...kept(keptBefore), ...remarks(found));
    return found.gaps.length > 0 ? CHECK.incomplete : 0;
  }
  for (const part of [itemTable(plan.remove), ...kept(keptBefore), ...remarks(found), ...warnings(plan)]) {
    say(`${part}\n`);
  }
  const answer = await confirmed(options);
  if (answer !== "yes") {
    say("Nothing was removed.");
    return answer === "no" ? EXIT.usage : EXIT.interrupted;
  }
  const { remove } = await import("../../cleanup/remove.ts");
  const result = await remove(found, plan, { progress: say });
  const stays = [...keptBefore, ...result.kept];
  if (options.json) printJson({ ...asJson(found, plan.remove), ...result, kept: stays });
  else {
    const failed = result.failed.map(({ item, why }) => `  ${item.kind} ${item.name} (${item.place}): ${plain(why)}`);
    print(
      `${result.removed.length} removed.`,
      ...(failed.length > 0 ? [`Could not be removed:\n${failed.join("\n")}`] : []),
      ...kept(stays),
    );
  }
  if (result.failed.length > 0) return CHECK.left;
  return found.gaps.length > 0 ? CHECK.incomplete : 0;
}

function kept(items: Plan["kept"]): string[] {
  if (items.length === 0) return [];
  return [`Stays:\n${items.map(({ item, why }) => `  ${item.kind} ${item.name}: ${why}`).join("\n")}`];
}

function warnings({ remove }: Plan): string[] {
  const live = remove.filter((item) => item.live);
  const buckets = remove.filter(({ kind }) => kind === "bucket");
  return [
    ...(live.length > 0
      ? [`${live.length} of these machines RUN now, within their time; their runs end cancelled.`]
      : []),
    ...(buckets.length > 0 ? [`All data in ${buckets.map(({ name }) => `gs://${name}`).join(", ")} goes, too.`] : []),
  ];
}

function asJson(found: Inventory, items: readonly Item[]): Record<string, unknown> {
  const { perMonth, atLeast } = sumOf(items);
  const { items: _, ...rest } = found;
  return {
    ...rest,
    items,
    perMonth: { amount: perMonth, currency: "USD", atLeast },
    complete: found.gaps.length === 0,
  };
}

async function restoreBucket(
  project: string,
  text: string,
  { generation, json }: CleanOptions,
  say: (line: string) => void,
): Promise<number> {
  const { restore } = await import("../../cleanup/restore.ts");
  const bucket = bucketOf(text);
  const options = { progress: say, ...(generation === undefined ? {} : { generation }) };
  const result = await restore(project, bucket, options);
  if (json) printJson(result);
  else {
    const { objects, bytes, there, deletedBefore, failed } = result;
    print(
      `gs://${bucket}: ${objects} objects (${size(bytes)}) are back${there > 0 ? `, ${there} were there` : ""}.`,
      ...(deletedBefore > 0
        ? [
            `${deletedBefore} had been deleted while the bucket stood, and stay so (gcloud storage restore brings one back).`,
          ]
        : []),
      ...(failed.length > 0
        ? [
            `Not restored:\n${failed.map(({ object, why }) => `  ${plain(object)}: ${plain(why)}`).join("\n")}\nThe same command goes on.`,
          ]
        : []),
      "Its older versions stay soft-deleted until their day. Who may use it is as it was; accounts that were deleted since are not.",
    );
  }
  return result.failed.length > 0 ? CHECK.left : 0;
}

function print(...parts: string[]): void {
  console.log(parts.join("\n\n"));
}

async function confirmed({ yes }: CleanOptions): Promise<"yes" | "no" | "interrupted"> {
  if (yes) return "yes";
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UserError("Nobody can be asked here (no terminal): remove it with --yes.");
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve) => {
      const left = () => {
        process.stderr.write("\n");
        resolve("interrupted");
      };
      asking.once("SIGINT", left);
      asking.once("close", left);
      asking.question("Remove all of this? [y/N] ", (answer) => {
        asking.off("close", left);
        resolve(/^y(es)?$/i.test(answer.trim()) ? "yes" : "no");
      });
    });
  } finally {
    asking.close();
  }
}
