import { type CommonOptions, counting, listed, number, type Tools } from "./tools.ts";

/** `train`, `runs`, `status`, `logs`, `cancel`. */
export function trainingCommands({ add, withEnvironment, ends, rest }: Tools): void {
  withEnvironment(add("train <package>", "train a package on a machine; arguments after -- go to the trainer"))
    .usage("[options] <package> [-- arguments of the trainer]")
    .option("--machine-type <type>", "machine type, such as e2-standard-4")
    .option("--max-hours <hours>", "time limit of all attempts together", number("hours"))
    .option("--max-restarts <count>", "restarts after preemptions at most", number("a count"))
    .option("--spot", "on a Spot machine: cheaper, Google may take it back")
    .option("--no-spot", "on a machine that Google does not take back")
    .option("--fallback-to-standard", "take a standard machine where no zone has a Spot one, at its price")
    .option("--no-fallback-to-standard", "wait for a Spot machine")
    .option("--checkpoint-seconds <seconds>", "seconds between two checkpoints at most", number("seconds"))
    .option("--zone <zone>", "only in this zone; may be given several times, in order", listed)
    .option("--keep <time>", "leave a failed machine up for so long (30m, 2h)")
    .option("-y, --yes", "start without asking")
    .option("--detach", "do not follow the run")
    .option("--once <key>", "start it only if this key has started none yet; else follow the run that it started")
    .option("--quiet", "print no log, but its last lines if the training failed")
    .action(
      ends(async (directory: string, options: CommonOptions & Record<string, unknown>) =>
        (await import("../training/train.ts")).train(directory, rest, options),
      ),
    );
  withEnvironment(add("runs", "list the runs, newest first"))
    .option("--limit <count>", "how many", counting, 20)
    .option("--all", "all of them")
    .action(
      ends(async (options: CommonOptions & { limit: number; all?: boolean }) =>
        (await import("../training/runs.ts")).runs(options),
      ),
    );
  withEnvironment(add("status [run]", "show a run (its id, or latest), or the environment and what runs in it")).action(
    ends(async (run: string | undefined, options: CommonOptions) =>
      (await import("../training/status.ts")).status(run, options),
    ),
  );
  withEnvironment(add("logs <run>", "print the log of a run (its id, or latest)"))
    .option("-f, --follow", "go on until the run has ended")
    .action(
      ends(async (run: string, options: CommonOptions & { follow?: boolean }) =>
        (await import("../training/logs.ts")).logs(run, options),
      ),
    );
  withEnvironment(add("cancel <run>", "end a run (its id, or latest) and remove its machine")).action(
    ends(async (run: string, options: CommonOptions) => (await import("../training/cancel.ts")).cancel(run, options)),
  );
}
