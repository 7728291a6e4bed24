import { Command, CommanderError } from "commander";
import { EXIT, UserError } from "../training/errors.ts";
import { cleanupCommands } from "./commands/cleanup.ts";
import { courseCommands } from "./commands/course.ts";
import { environmentCommands } from "./commands/environment.ts";
import { fileCommands } from "./commands/files.ts";
import { imageCommands } from "./commands/images.ts";
import { kubeflowCommands } from "./commands/kubeflow.ts";
import { toolsOf } from "./commands/tools.ts";
import { trainingCommands } from "./commands/training.ts";
import { workstationCommands } from "./commands/workstation.ts";

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
  const tools = toolsOf(program, split(argv).trainer, outcome);
  for (const register of [
    environmentCommands,
    fileCommands,
    trainingCommands,
    workstationCommands,
    imageCommands,
    kubeflowCommands,
    courseCommands,
    cleanupCommands,
  ])
    register(tools);
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
