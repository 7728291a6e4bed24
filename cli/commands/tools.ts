import { type Command, InvalidArgumentError, Option } from "commander";

/** Options of every command that works with an environment. */
export interface CommonOptions {
  environment?: string;
  json?: boolean;
}

/** What a group's file registers its commands with. Actions import the command's module when they run. */
export interface Tools {
  add: (usage: string, description: string) => Command;
  /** `--environment` and `--json`. */
  withEnvironment: (command: Command) => Command;
  /** Wraps an action that returns the exit code. */
  ends: <T extends unknown[]>(action: (...parts: T) => Promise<number | undefined>) => (...parts: T) => Promise<void>;
  /** What stands after `--`, untouched. */
  rest: readonly string[];
}

export function toolsOf(program: Command, rest: readonly string[], outcome: { code: number }): Tools {
  return {
    rest,
    add: (usage, description) => program.command(usage).description(description),
    withEnvironment: (command) =>
      command
        .addOption(
          new Option(
            "--environment <bucket>",
            "the environment's data bucket, gs://BUCKET (else MLT_ENVIRONMENT, else `mlt use`)",
          ),
        )
        .option("--json", "print JSON for programs"),
    ends:
      (action) =>
      async (...parts) => {
        outcome.code = (await action(...parts)) ?? 0;
      },
  };
}

export function counting(text: string): number {
  const value = number("a count")(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("Must be a whole number from 1.");
  return value;
}

/** A pause between two looks: a second at least. */
export function seconds(text: string): number {
  const value = number("seconds")(text);
  if (value < 1) throw new InvalidArgumentError("Must be 1 second or more.");
  return value;
}

/** A port of this computer. */
export function port(text: string): number {
  const value = number("a port")(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new InvalidArgumentError("Must be 1 to 65535.");
  return value;
}

/** An option that may be given several times. */
export function listed(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

export function number(what: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError(`Must be ${what} as a number.`);
    return value;
  };
}
