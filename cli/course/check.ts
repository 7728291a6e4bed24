import { type CourseCheck, checkCode, checkCourse } from "../../course/check/check.ts";
import { checkCanary } from "../../course/check/checkCanary.ts";
import type { CheckItem } from "../../course/check/checkItem.ts";
import { openCourse } from "../../course/open.ts";
import { EXIT } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { interruptible } from "../interrupt.ts";
import { plain, printJson } from "../output/print.ts";
import { agreed, canAsk } from "./ask.ts";
import { progressFor } from "./outcomes.ts";

interface CheckOptions extends CourseOptions {
  /** `--no-canary` */
  canary: boolean;
  package?: string;
}

const QUESTION =
  "Bring up one student's environment, train in it and take it down again? It takes some minutes and costs some cents.";

/**
 * `mlt course check`. Ends with 0 if nothing is in the way, 1 if something is, 2 if not everything could be seen, 130
 * after Ctrl-C. The canary flies only where nothing is in the way.
 */
export async function action(options: CheckOptions): Promise<number> {
  const opened = await openCourse(options.course, { early: true });
  const found = await checkCourse(opened, new Date().toISOString().slice(0, 10));
  if (!options.json) console.log(checkText(found));
  const why = await grounded(found.items, options);
  if (options.canary && why === undefined) {
    const aborted = await interruptible(async (signal) => {
      const progress = await progressFor(options);
      const own = options.package === undefined ? {} : { package: options.package };
      const items = await checkCanary(opened, { signal, progress, ...own }).finally(() => progress.close());
      found.items.push(...items);
      if (!options.json) console.log(items.map(itemText).join("\n"));
      return signal.aborted ? EXIT.interrupted : 0;
    });
    if (aborted) return aborted;
  } else if (options.canary) {
    const item: CheckItem = { name: "canary", state: "unknown", detail: `did not fly: ${why}` };
    found.items.push(item);
    if (!options.json) console.log(itemText(item));
  }
  const code = checkCode(found.items);
  if (options.json) printJson({ ok: code === 0, ...found });
  return code;
}

/** Why the canary does not fly; `undefined`: it does. */
async function grounded(items: readonly CheckItem[], options: CheckOptions): Promise<string | undefined> {
  if (!options.canary) return "--no-canary";
  if (checkCode(items) === 1) return "something above is in the way";
  if (!options.yes && !canAsk()) return "nobody can be asked here (no terminal): --yes, or --no-canary";
  return (await agreed(QUESTION, options)) ? undefined : "nobody agreed";
}

/** The course's items first, then each project's below its name, then the texts to send. */
export function checkText({ items, requests }: CourseCheck): string {
  const projects = [...new Set(items.flatMap(({ project }) => project ?? []))];
  const parts = [
    items
      .filter(({ project }) => project === undefined)
      .map(itemText)
      .join("\n"),
  ];
  for (const project of projects) {
    const own = items.filter((item) => item.project === project);
    parts.push(`${project}\n${own.map(itemText).join("\n")}`);
  }
  for (const { page, text } of requests)
    parts.push(`Ask for it at ${page}\nor send this to Google's support:\n\n${text.replace(/^/gm, "  ")}`);
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

const SIGNS = { ok: "ok", missing: "MISSING", warn: "LOW", unknown: "?", later: "-" } as const;

function itemText({ name, state, detail, fix }: CheckItem): string {
  const head = `${(state === "warn" && name !== "quotas" ? "LOOK" : SIGNS[state]).padEnd(9)}${name.padEnd(15)}${name.length >= 15 ? " " : ""}${plain(detail)}`;
  return fix ? `${head}\n${" ".repeat(24)}→ ${plain(fix)}` : head;
}
