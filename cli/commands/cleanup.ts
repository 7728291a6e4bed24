import type { CleanOptions } from "../cleanup/clean.ts";
import type { Tools } from "./tools.ts";

/** `clean`. */
export function cleanupCommands({ add, ends }: Tools): void {
  add("clean [environment]", "list what is past in the project, or all of an environment, with its cost per month")
    .option("--project <id>", "the project (else the variables', the stack's gcp:project, or that of `mlt use`)")
    .option("--check", "end with 1 if anything of ours is left, past or not, and with 2 if not all could be seen")
    .option("--delete", "remove what is listed, after asking")
    .option("--include-data", "with --delete: buckets, too, with all that is in them")
    .option("-y, --yes", "with --delete: remove without asking")
    .option("--restore <bucket>", "bring a soft-deleted bucket and its objects back")
    .option("--generation <number>", "with --restore: which of several deleted buckets of that name")
    .option("--json", "print JSON for programs")
    .action(
      ends(async (environment: string | undefined, options: CleanOptions) =>
        (await import("../cleanup/clean.ts")).clean(environment, options),
      ),
    );
}
