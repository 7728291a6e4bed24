import { type CommonOptions, counting, type Tools } from "./tools.ts";

type Options = CommonOptions & { wait?: boolean };

/** `image build`, `list`, `test`, `promote`, `rollback`, `prune`, `clean`, `remove`. */
export function imageCommands({ add, withEnvironment, ends }: Tools): void {
  const image = add("image", "build, test and promote images of this environment's own family");
  const sub = (usage: string, description: string) =>
    withEnvironment(image.command(usage).description(description)).option(
      "--wait",
      "wait for whoever works on the family at the moment",
    );
  sub("build [recipe]", "build an image from a recipe's folder, test it, make it the family's current one")
    .option("--base-image <image>", "build on this image, projects/P/global/images/NAME, not on what the recipe names")
    .option("--no-promote", "leave the image outside the family when it has passed its test")
    .option("--force", "build although the current image is of the same recipe and base")
    .option("--quiet", "do not show the machines' log")
    .action(
      ends(async (folder: string | undefined, options: Options & Record<string, never>) =>
        (await import("../images/build.ts")).build(folder, options),
      ),
    );
  sub("list", "list the family's images: age, size, cost, provenance, and which is current").action(
    ends(async (options: Options) => (await import("../images/list.ts")).list(options)),
  );
  sub("test <image>", "run an image's smoke test again, on a fresh machine (its name, or latest)").action(
    ends(async (name: string, options: Options) => (await import("../images/smoke.ts")).test(name, options)),
  );
  sub("promote <image>", "make an image the family's current one (its name, or latest)")
    .option("--deprecate-newer", "mark newer images of the family as deprecated, which an older one needs")
    .action(
      ends(async (name: string, options: Options & { deprecateNewer?: boolean }) =>
        (await import("../images/manage.ts")).promoteCommand(name, options),
      ),
    );
  sub("rollback", "lead the family back to the image before the current one")
    .option("--to <image>", "to this one")
    .action(
      ends(async (options: Options & { to?: string }) =>
        (await import("../images/manage.ts")).rollbackCommand(options),
      ),
    );
  sub("prune", "remove old images; never the current one, nor the one before")
    .option("--keep <count>", "how many of the newest stay", counting, 3)
    .option("--dry-run", "only say what would go")
    .action(
      ends(async (options: Options & { keep: number; dryRun?: boolean }) =>
        (await import("../images/manage.ts")).pruneCommand(options),
      ),
    );
  sub("clean", "take away what builds have left that were broken off: machines, disks, untested images").action(
    ends(async (options: Options) => (await import("../images/manage.ts")).cleanCommand(options)),
  );
  sub("remove", "delete every image of the family")
    .option("-y, --yes", "do not ask")
    .action(
      ends(async (options: Options & { yes?: boolean }) =>
        (await import("../images/manage.ts")).removeCommand(options),
      ),
    );
}
