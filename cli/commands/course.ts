import { InvalidArgumentError } from "commander";
import { counting, type Tools } from "./tools.ts";

/** Options of every `mlt course …` command. */
export interface CourseOptions {
  /** Folder with course.yaml and roster.csv. */
  course: string;
  json?: boolean;
  /** Students' ids; absent: all of them. */
  only?: string[];
  yes?: boolean;
}

/** What a command's file in `cli/course/` exports: takes the arguments, then the options; returns the exit code. */
export type CourseAction = (...parts: never[]) => Promise<number | undefined>;

/** `course plan`, `check`, `up`, `status`, `report`, `invite`, `put`, `warm`, `cool`, `freeze`, `reap`, `export`, `down`. */
export function courseCommands({ add, ends }: Tools): void {
  const course = add("course", "environments for a class, from a roster: plan, check, up, status, …, down");
  const sub = (usage: string, description: string) => {
    const [name = ""] = usage.split(" ");
    return course
      .command(usage)
      .description(description)
      .option("--course <folder>", "the folder with course.yaml and roster.csv", ".")
      .option("--json", "print JSON for programs")
      .action(
        ends(async (...parts: unknown[]) => {
          // Commander hands over arguments, options and the command itself.
          const { action } = (await import(`../course/${name}.ts`)) as { action: CourseAction };
          return action(...(parts.slice(0, -1) as never[]));
        }),
      );
  };
  const only = ["--only <ids>", "only these students, as s001,s007", ids] as const;
  const yes = ["-y, --yes", "do not ask"] as const;
  const atOnce = [
    "--at-once <count>",
    "how many stacks at the same time (else as many as this computer bears)",
  ] as const;

  sub("plan", "what the course needs, against quotas and limits, and who goes where; changes nothing").option(
    "--quotas",
    "ask the projects for their quotas and what uses them (else the catalog's defaults)",
  );
  sub("check", "a week and two days before: billing, APIs, policies, quotas, rights; ends with one student's whole way")
    .option("--no-canary", "do not bring up a student's environment and train in it")
    .option("--package <folder>", "what the canary trains (else examples/census)")
    .option(...yes);
  sub("up", "bring up or change what the roster says; goes on where it was broken off")
    .option(...only)
    .option(...atOnce, counting)
    .option("--all", "run Pulumi for every stack, also where nothing of ours can have changed")
    .option(...yes);
  sub("status", "a line for each student: stack, last run, machine hours, cost, last activity").option(...only);
  sub("report", "a page with everybody's runs and cost, with CSV and JSON beside it").option(
    "--to <folder>",
    "where it is written (else report/ in the course's folder)",
  );
  sub("invite", "a page for each student: what to open, what to type, whom to ask")
    .option(...only)
    .option("--to <folder>", "where they are written (else invitations/ in the course's folder)");
  sub("put <source> [name]", "put a file or folder where every student reads it, as course://NAME");
  sub("warm", "start the students' workstations, so many a minute")
    .option(...only)
    .option("--at <time>", "at that time, as 08:45 or 2027-01-12T08:45")
    .option("--per-minute <count>", "how many a minute", counting, 20);
  sub("cool", "stop the students' workstations").option(...only);
  sub("freeze", "take the right to start machines and stop them; everything stays for grading")
    .option(...only)
    .option("--undo", "give it back")
    .option(...yes);
  sub("reap", "end machines that break the course's limits, and tell the students why")
    .option("--watch", "again and again, until Ctrl-C")
    .option("--every <seconds>", "with --watch: seconds between two looks", counting, 60)
    .option("--dry-run", "look and tell, end nothing");
  sub("export", "copy everybody's results into an archive and verify them; goes on where it was broken off")
    .option(...only)
    .option("--to <place>", "gs://BUCKET[/PREFIX] or a folder (else export/ in the course's folder)");
  sub("down", "export, then destroy everything, then prove that nothing is left")
    .option(...only)
    .option("--no-export", "destroy without an export")
    .option("--to <place>", "where the export goes, gs://BUCKET[/PREFIX] or a folder")
    .option(...atOnce, counting)
    .option(...yes);
}

/** `s001,s007` */
export function ids(text: string, before: readonly string[] = []): string[] {
  const found = text.split(",").map((id) => id.trim());
  if (found.some((id) => id === "")) throw new InvalidArgumentError("Must be students' ids, as s001,s007.");
  return [...before, ...found];
}
