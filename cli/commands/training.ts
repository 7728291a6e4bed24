import { type CommonOptions, counting, listed, number, seconds, type Tools } from "./tools.ts";

/** `train`, `runs`, `watch`, `status`, `logs`, `resume`, `cancel`. */
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
  withEnvironment(
    add("watch", "a live table of all runs, until q or Ctrl-C; a line for each change without a terminal"),
  )
    .option("--interval <seconds>", "seconds between two looks", seconds, 5)
    .option("--limit <count>", "how many of the newest runs", counting, 20)
    .option("--until-ended", "leave when no run goes on any more")
    .action(
      ends(async (options: CommonOptions & { interval: number; limit: number; untilEnded?: boolean }) =>
        (await import("../training/watch.ts")).watch(options),
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
  withEnvironment(add("resume <run>", "go on with a run that was preempted or lost, or waits with nobody to ask"))
    .option("--detach", "do not follow the run")
    .option("--quiet", "print no log, but its last lines if the training failed")
    .action(
      ends(async (run: string, options: CommonOptions & { detach?: boolean; quiet?: boolean }) =>
        (await import("../training/resume.ts")).resume(run, options),
      ),
    );
  withEnvironment(add("cancel <run>", "end a run (its id, or latest) and remove its machine")).action(
    ends(async (run: string, options: CommonOptions) => (await import("../training/cancel.ts")).cancel(run, options)),
  );
}
