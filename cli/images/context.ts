import { fileURLToPath } from "node:url";
import type { BuildEnvironment, OpenBuildEnvironment } from "../../images/index.ts";
import type { Environment } from "../../training/contract.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import { Objects } from "../../training/storage.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";

/**
 * The environment that images are built in: as its record says, or, where the Pulumi program calls, as the program says
 * itself, because the record is not written yet when the first image is built, and no more there at the destroy.
 */
export async function familyFor(options: CommonOptions): Promise<OpenBuildEnvironment & Pick<Environment, "training">> {
  const handed = process.env.MLT_IMAGE_ENVIRONMENT;
  if (handed) return { ...(JSON.parse(handed) as BuildEnvironment), objects: new Objects() };
  const environment = await environmentFor(options);
  const { imageFamily } = environment;
  if (!imageFamily) {
    throw new UserError(
      `The environment ${environment.environment} builds no images. Give it a recipe and run \`pulumi up\`: pulumi config set --path mltraining:imageFamily.recipe examples/images/census`,
    );
  }
  return { ...environment, imageFamily };
}

/** The recipe's folder: as it was named, or as the environment's settings name it, below this program's own folder. */
export function recipeFolder(named: string | undefined, { imageFamily }: OpenBuildEnvironment): string {
  return named ?? fileURLToPath(new URL(`../../${imageFamily.recipe}`, import.meta.url));
}

/** What is said meanwhile: on stderr, so that stdout has the result alone. */
export function say(line: string): void {
  console.error(`mlt: ${line}`);
}

/** The machines' own log, told apart by an indent. */
export function showLog(text: string): void {
  for (const line of text.trimEnd().split("\n")) console.error(`  | ${line.trimEnd()}`);
}

export async function confirmed(question: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UserError("Nobody can be asked here (no terminal): do it with --yes.");
  }
  const { createInterface } = await import("node:readline/promises");
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new UserError("Nothing was changed.", EXIT.usage);
  } finally {
    asking.close();
  }
}
