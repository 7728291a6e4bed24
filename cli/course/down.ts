import { type BucketInput, DEFAULTS, PRESETS, type Preset } from "../../components/configSchema.ts";
import { down } from "../../course/down.ts";
import { exportStudents } from "../../course/export/exportFirst.ts";
import { standingPlaces } from "../../course/freeze.ts";
import { chosen } from "../../course/only.ts";
import { openCourse } from "../../course/open.ts";
import { counted } from "../../course/words.ts";
import { itemTable } from "../cleanup/report.ts";
import type { CourseOptions } from "../commands/course.ts";
import { interruptible } from "../interrupt.ts";
import { agreed } from "./ask.ts";
import { progressFor, tell } from "./outcomes.ts";

interface DownCommandOptions extends CourseOptions {
  export: boolean;
  to?: string;
  atOnce?: number;
}

/** `mlt course down`. Ends with 0 if nothing is left, 1 if something is or failed, 2 if not everything was seen. */
export async function action(options: DownCommandOptions): Promise<number> {
  const opened = await openCourse(options.course);
  const { course, record } = opened;
  const those = chosen(standingPlaces(record), options.only);
  const ids = those.map(({ id }) => id);
  const whole = options.only === undefined;
  console.error(
    [
      `This destroys ${counted(those.length, "environment")} of ${course.name}${whole ? ` and the foundations in ${course.projects.join(", ")}` : ` (${ids.join(", ")})`}: machines, buckets with all that is in them, rights.`,
      options.export
        ? `First everybody's results are exported${options.to ? ` to ${options.to}` : ""} and verified; if that fails, nothing is destroyed.`
        : `Nothing is exported (--no-export): what students have made goes. ${afterwards(course.preset)}`,
    ].join("\n"),
  );
  if (!(await agreed("Destroy it?", { yes: options.yes ?? false }))) {
    console.error("Nothing was changed.");
    return 1;
  }
  return interruptible(async (signal) => {
    const progress = await progressFor(options);
    const run = await down(opened, {
      ...(options.only ? { only: options.only } : {}),
      ...(options.atOnce === undefined ? {} : { atOnce: options.atOnce }),
      signal,
      progress,
      ...(options.export
        ? {
            exportFirst: (students: readonly string[]) =>
              exportStudents(opened, students, {
                signal,
                say: (line) => progress.say(line),
                ...(options.to ? { to: options.to } : {}),
              }),
          }
        : {}),
    }).finally(() => progress.close());
    const code = tell(run, { json: options.json ?? false });
    const { proof } = run;
    if (!proof) {
      if (whole) console.error("Not everything went, so nothing was proven; the same command goes on.");
      return code;
    }
    if (!options.json) {
      if (proof.left.length > 0) console.log(`\nLeft:\n${itemTable(proof.left)}`);
      for (const gap of proof.gaps) console.log(`not seen: ${gap}`);
      for (const { name, until } of proof.softDeleted)
        console.log(`soft-deleted until ${until.slice(0, 10)}: gs://${name}`);
      if (proof.code === 0) console.log(`Nothing of ${course.name} is left in ${course.projects.join(", ")}.`);
    }
    return code || proof.code;
  });
}

/** What of the buckets can be had back, and for how long. */
export function afterwards(preset: Preset): string {
  const { softDeleteDays = DEFAULTS.bucket.softDeleteDays }: BucketInput = PRESETS[preset].bucket;
  return softDeleteDays === 0
    ? "Nothing of it can be restored."
    : `For ${softDeleteDays} days Google keeps deleted buckets: mlt clean --restore.`;
}
