import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SOURCE = join(import.meta.dirname, "package");

/** Nothing to install: what pip does with it takes half a second, and the line that says so is a step. */
export const REQUIREMENTS = "# standard library only\n";

export interface PackageOptions {
  /** The folder below `input/` that the run wants. */
  input: string;
  /** Small files that make unpacking take a moment. */
  files?: number;
}

/** Writes a package of one case's own, so that the calls for it are known from all others; returns its folder. */
export function writePackage(folder: string, { input, files = 0 }: PackageOptions): string {
  mkdirSync(folder, { recursive: true });
  cpSync(SOURCE, folder, { recursive: true });
  writeFileSync(join(folder, "requirements.txt"), REQUIREMENTS);
  writeFileSync(join(folder, "case.txt"), `${input}\n`);
  const yaml = `name: case\ncommand: [python, train.py]\ninputs: [${input}]\nmachineType: e2-standard-2\nspot: true\n`;
  writeFileSync(join(folder, "training.yaml"), yaml);
  if (files > 0) mkdirSync(join(folder, "many"));
  for (let index = 0; index < files; index += 1) writeFileSync(join(folder, "many", `${index}.txt`), `${index}\n`);
  return folder;
}

/** What the trainer's model is after an undisturbed training; the same arithmetic as `package/train.py`. */
export function expectedModel(steps = 12): string {
  let weight = 1n;
  for (let step = 0n; step < steps; step += 1n) {
    weight = (weight * 6364136223846793005n + step + 1442695040888963407n) % 2n ** 64n;
  }
  return String(weight);
}
