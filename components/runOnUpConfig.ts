import type { RunOnUpInput } from "./configSchema.ts";

/** A run that `pulumi up` starts when the package, the arguments or `runId` changed. */
export interface RunOnUpConfig {
  /** The package's folder, relative to Pulumi.yaml's, with `/`. */
  package: string;
  /** For the trainer, as after `--`. */
  arguments: string[];
  /** Another one asks for another run of the same package and arguments. @default "1" */
  runId: string;
}

const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Problems begin with the member's name, without the key before it. Pure: the package is read later. */
export function readRunOnUp(
  input: RunOnUpInput | undefined,
  { scope, trains }: { scope: string; trains: boolean },
): { config?: RunOnUpConfig; problems: string[] } {
  if (!input) return { problems: [] };
  const problems: string[] = [];
  if (scope === "foundation")
    problems.push("runOnUp belongs to a stack with machines of its own (solo, student); this one is foundation");
  else if (!trains) problems.push("runOnUp needs training machines; training.enabled is false");
  const folder = input.package.replace(/\/+$/, "");
  if (folder === "" || /^([\\/~]|[A-Za-z]:)/.test(folder) || folder.includes("\\")) {
    problems.push(
      "runOnUp.package must be a folder relative to Pulumi.yaml's, with /, such as examples/census, so that every clone finds it; " +
        `got ${JSON.stringify(input.package)}`,
    );
  }
  const runId = input.runId === undefined ? "1" : String(input.runId);
  if (!RUN_ID.test(runId)) {
    problems.push(
      `runOnUp.runId must be 1 to 64 letters, digits, ".", "_" and "-", beginning with a letter or digit; got ${JSON.stringify(input.runId)}`,
    );
  }
  const config = { package: folder, arguments: (input.arguments ?? []).map(String), runId };
  return problems.length > 0 ? { problems } : { config, problems };
}
