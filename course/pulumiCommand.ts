import automation from "@pulumi/pulumi/automation/index.js";
import { EXIT, UserError } from "../training/errors.ts";

export type PulumiCommand = InstanceType<typeof automation.PulumiCommand>;
type Run = (args: string[], ...rest: unknown[]) => Promise<{ stdout: string; stderr: string; code: number }>;

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
  if (version && [version.major, version.minor, version.patch].join(".") !== "" && isOlder(version)) {
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
  const run = (real as unknown as { run: Run }).run.bind(real) as Run;
  const quick: Run = async (args, ...rest) => {
    const [first, second = ""] = args;
    const answer = first === "stack" ? ANSWERS[second] : undefined;
    return answer === undefined ? run(args, ...rest) : { stdout: answer, stderr: "", code: 0 };
  };
  return Object.assign(Object.create(real) as PulumiCommand, { run: quick });
}
