import { spawn } from "node:child_process";
import automation from "@pulumi/pulumi/automation/index.js";
import { EXIT, UserError } from "../../training/errors.ts";

export type PulumiCommand = Awaited<ReturnType<typeof automation.PulumiCommand.get>>;

/** What a command printed and ended with. */
interface Ended {
  stdout: string;
  stderr: string;
  code: number;
}

/** As the Automation API calls it. */
type Run = (
  args: string[],
  folder: string,
  environment: Record<string, string>,
  onOutput?: (text: string) => void,
  onError?: (text: string) => void,
  signal?: AbortSignal,
) => Promise<Ended>;

/** Older Pulumi CLIs know no error hooks, with which the program waits for APIs that were just enabled. */
const MINIMUM: readonly number[] = [3, 218, 0];

/**
 * The Pulumi CLI on the path, for many stacks one after the other. The Automation API asks the CLI for outputs (twice)
 * and for the history after every operation, and selects the stack before the first: four starts of a large program for
 * what the engine's events have said already, as much processor time as the operation itself. Those questions are
 * answered here; everything else goes to the CLI.
 */
export async function findPulumi(): Promise<PulumiCommand> {
  let real: PulumiCommand;
  try {
    real = await automation.PulumiCommand.get();
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new UserError(
      `A course needs the Pulumi CLI on the path (https://www.pulumi.com/docs/install/); it could not be started: ${why}`,
      EXIT.failedBeforeTraining,
    );
  }
  const { version } = real;
  if (version && isOlder(version)) {
    throw new UserError(
      `A course needs Pulumi ${MINIMUM.join(".")} or newer; on the path is ${version}. Update it: https://www.pulumi.com/docs/install/`,
      EXIT.failedBeforeTraining,
    );
  }
  return answering(real);
}

function isOlder({ major, minor }: { major: number; minor: number }): boolean {
  return major < (MINIMUM[0] ?? 0) || (major === MINIMUM[0] && minor < (MINIMUM[1] ?? 0));
}

const ANSWERS: Readonly<Record<string, string>> = { output: "{}", history: "[]", select: "" };

function answering(real: PulumiCommand): PulumiCommand {
  const run: Run = async (args, folder, environment, _onOutput, _onError, signal) => {
    const [first, second = ""] = args;
    const answer = first === "stack" ? ANSWERS[second] : undefined;
    if (answer !== undefined) return { stdout: answer, stderr: "", code: 0 };
    return start(real.command, [...args, "--non-interactive"], { folder, environment, signal });
  };
  return Object.assign(Object.create(real) as PulumiCommand, { run });
}

interface Start {
  folder: string;
  environment: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * Ctrl-C in a terminal reaches the whole process group. Pulumi, which ends in good order at the first and at once at the
 * second, gets a group of its own, and one signal: mlt's.
 */
function start(command: string, args: string[], { folder, environment, signal }: Start): Promise<Ended> {
  const env = { ...process.env, ...environment, PULUMI_AUTOMATION_API: "true" };
  const apart = process.platform !== "win32";
  const child = spawn(command, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], detached: apart });
  const ended: Ended = { stdout: "", stderr: "", code: 0 };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      ended[name] += text;
    });
  }
  const stop = () => child.kill("SIGINT");
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  return new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, killed) => {
      if (code === 0) return resolve(ended);
      const why = killed ? `Pulumi was ended by ${killed}` : `Pulumi ended with ${code}`;
      return reject(new Error(`${why}\n${ended.stderr}\n${ended.stdout}`));
    });
  }).finally(() => signal?.removeEventListener("abort", stop));
}
