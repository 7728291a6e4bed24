import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { EXIT, UserError } from "../training/errors.ts";

/** Options of every command that works with an environment. */
export interface CommonOptions {
  environment?: string;
  json?: boolean;
}

/** Runs a command line; returns the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    const outcome: { code: number } = { code: 0 };
    const program = await build(argv, outcome);
    const { own } = split(argv);
    if (own.length === 0) {
      program.outputHelp({ error: true });
      return EXIT.usage;
    }
    await program.parseAsync(own, { from: "user" });
    return outcome.code || Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

/** Tells an error and returns what it ends with. A stack is for those who look for the mistake in mlt. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof UserError) {
    console.error(error.message);
    if (process.env.MLT_DEBUG === "1") console.error(error.stack);
    return error.exitCode;
  }
  if (process.env.MLT_DEBUG === "1") console.error(error);
  else console.error(`mlt failed: ${(error as Error)?.message ?? error}\n(MLT_DEBUG=1 shows where)`);
  return EXIT.failedBeforeTraining;
}

/** What stands after `--` belongs to the trainer, whatever it looks like. */
function split(argv: readonly string[]): { own: string[]; trainer: string[] } {
  const at = argv.indexOf("--");
  return at < 0 ? { own: [...argv], trainer: [] } : { own: argv.slice(0, at), trainer: argv.slice(at + 1) };
}

async function build(argv: readonly string[], outcome: { code: number }): Promise<Command> {
  const program = new Command("mlt");
  program
    .description("Trains models on machines of Google Cloud that run once, save and go.")
    .exitOverride()
    .configureHelp({ sortSubcommands: false })
    .showSuggestionAfterError()
    .option("--version", "print the version")
    .on("option:version", () => undefined);
  /** A command with its action in a module of its own; the action returns the exit code. */
  const add = (usage: string, description: string): Command => program.command(usage).description(description);
  const withEnvironment = (command: Command): Command =>
    command
      .addOption(
        new Option(
          "--environment <bucket>",
          "the environment's data bucket, gs://BUCKET (else MLT_ENVIRONMENT, else `mlt use`)",
        ),
      )
      .option("--json", "print JSON for programs");
  const ends = <T extends unknown[]>(action: (...parts: T) => Promise<number | undefined>) => {
    return async (...parts: T): Promise<void> => {
      outcome.code = (await action(...parts)) ?? 0;
    };
  };

  withEnvironment(add("use [bucket]", "choose the environment that the other commands work with")).action(
    ends(async (bucket: string | undefined, options: CommonOptions) =>
      (await import("./environment/use.ts")).use(bucket, options),
    ),
  );
  withEnvironment(add("doctor", "say what is missing for trainings on Google Cloud, and what puts it right")).action(
    ends(async (options: CommonOptions) => (await import("./environment/doctor.ts")).doctor(options)),
  );
  withEnvironment(add("put <source> <path>", "upload a file or folder, such as data/ to input/census")).action(
    ends(async (source: string, path: string, options: CommonOptions) =>
      (await import("./files/put.ts")).put(source, path, options),
    ),
  );
  withEnvironment(add("ls [path]", "list the bucket"))
    .option("-r, --recursive", "list what is below the folders, too")
    .action(
      ends(async (path: string | undefined, options: CommonOptions & { recursive?: boolean }) =>
        (await import("./files/ls.ts")).ls(path, options),
      ),
    );
  withEnvironment(
    add("fetch <run> [folder]", "download what a run left (its id, or latest), or a path such as input/census"),
  ).action(
    ends(async (source: string, folder: string | undefined, options: CommonOptions) =>
      (await import("./files/fetch.ts")).fetch(source, folder, options),
    ),
  );
  withEnvironment(add("train <package>", "train a package on a machine; arguments after -- go to the trainer"))
    .usage("[options] <package> [-- arguments of the trainer]")
    .option("--machine-type <type>", "machine type, such as e2-standard-4")
    .option("--max-hours <hours>", "time limit of all attempts together", number("hours"))
    .option("--max-restarts <count>", "restarts after preemptions at most", number("a count"))
    .option("--spot", "on a Spot machine: cheaper, Google may take it back")
    .option("--no-spot", "on a machine that Google does not take back")
    .option("--keep <time>", "leave a failed machine up for so long (30m, 2h)")
    .option("-y, --yes", "start without asking")
    .option("--detach", "do not follow the run")
    .action(
      ends(async (directory: string, options: CommonOptions & Record<string, unknown>) =>
        (await import("./training/train.ts")).train(directory, split(argv).trainer, options),
      ),
    );
  withEnvironment(add("runs", "list the runs, newest first"))
    .option("--limit <count>", "how many", counting, 20)
    .option("--all", "all of them")
    .action(
      ends(async (options: CommonOptions & { limit: number; all?: boolean }) =>
        (await import("./training/runs.ts")).runs(options),
      ),
    );
  withEnvironment(add("status [run]", "show a run (its id, or latest), or the environment and what runs in it")).action(
    ends(async (run: string | undefined, options: CommonOptions) =>
      (await import("./training/status.ts")).status(run, options),
    ),
  );
  withEnvironment(add("logs <run>", "print the log of a run (its id, or latest)"))
    .option("-f, --follow", "go on until the run has ended")
    .action(
      ends(async (run: string, options: CommonOptions & { follow?: boolean }) =>
        (await import("./training/logs.ts")).logs(run, options),
      ),
    );
  withEnvironment(add("cancel <run>", "end a run (its id, or latest) and remove its machine")).action(
    ends(async (run: string, options: CommonOptions) => (await import("./training/cancel.ts")).cancel(run, options)),
  );
  await addLocal(program, argv[0]);
  if (argv[0] === "--version") {
    const { readFile } = await import("node:fs/promises");
    const file = await readFile(new URL("../package.json", import.meta.url), "utf8");
    console.log((JSON.parse(file) as { version: string }).version);
    throw new CommanderError(0, "mlt.version", "");
  }
  return program;
}

/** The two commands that need the local cloud, which is large: loaded when one of them is asked for. */
async function addLocal(program: Command, asked: string | undefined): Promise<void> {
  if (asked === "rehearse") {
    (await import("./rehearse/index.ts")).registerRehearse(program);
  } else program.command("rehearse").description("the whole life of an environment on this machine, without a cloud");
  if (asked === "local") {
    await (await import("./local/index.ts")).registerLocal(program);
  } else program.command("local").description("keep a Google Cloud running on this machine: start, stop, status, …");
}

function counting(text: string): number {
  const value = number("a count")(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("Must be a whole number from 1.");
  return value;
}

function number(what: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError(`Must be ${what} as a number.`);
    return value;
  };
}
