import { exportStudents } from "../../course/export/exportFirst.ts";
import { standingPlaces } from "../../course/freeze.ts";
import { chosen } from "../../course/only.ts";
import { type OpenCourse, openCourse } from "../../course/open.ts";
import { type UpOptions, up } from "../../course/up.ts";
import { UserError } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { interruptible } from "../interrupt.ts";
import { agreed, canAsk } from "./ask.ts";
import { progressFor, tell } from "./outcomes.ts";

interface UpCommandOptions extends CourseOptions {
  atOnce?: number;
  /** Runs the engine for every stack, also where nothing can have changed. */
  all?: boolean;
}

/** `mlt course up`. Ends with 0, 1 if anybody's environment is not as it should be, 130 after Ctrl-C. */
export async function action(options: UpCommandOptions): Promise<number> {
  const opened = await openCourse(options.course);
  const { only, remove } = await leaving(opened, options);
  return interruptible(async (signal) => {
    const progress = await progressFor(options);
    const given: UpOptions = {
      only,
      remove,
      signal,
      progress,
      ...(options.atOnce === undefined ? {} : { atOnce: options.atOnce }),
      ...(options.all ? { all: true } : {}),
      exportFirst: (ids) => exportStudents(opened, ids, { signal, say: (line) => progress.say(line) }),
    };
    const run = await up(opened, given).finally(() => progress.close());
    return tell(run, options);
  });
}

/**
 * Who is in the course's record and not in the roster any more. They go only if they are named, or somebody agrees: half
 * a roster, saved by mistake, takes nobody away.
 */
async function leaving(
  { course, students, record }: OpenCourse,
  { only, yes }: UpCommandOptions,
): Promise<Pick<UpOptions, "only" | "remove">> {
  const inRoster = new Set(students.map(({ id }) => id));
  const gone = standingPlaces(record).filter(({ id }) => !inRoster.has(id));
  if (only !== undefined) {
    const named = chosen([...students, ...gone], only).map(({ id }) => id);
    const [those, rest] = [named.filter((id) => !inRoster.has(id)), named.filter((id) => inRoster.has(id))];
    if (those.length > 0 && !(await agreed(question(those), { yes: yes ?? false })))
      throw new UserError("Nothing was changed.");
    return { only: rest, remove: those };
  }
  const ids = gone.map(({ id }) => id);
  if (ids.length === 0) return {};
  if (yes && ids.length > students.length) {
    throw new UserError(
      `${ids.length} of ${ids.length + students.length} students are not in ${course.folder}/roster.csv any more: is the file whole? If they are to go, name them: --only ${ids.join(",")}`,
    );
  }
  if (!yes && !canAsk()) return {};
  return (await agreed(question(ids), { yes: yes ?? false })) ? { remove: ids } : {};
}

function question(ids: readonly string[]): string {
  const one = ids.length === 1;
  return `${ids.join(", ")} ${one ? "is" : "are"} not in the roster any more. Export ${one ? "the" : "their"} results, then destroy ${one ? "the environment" : "their environments"}?`;
}
