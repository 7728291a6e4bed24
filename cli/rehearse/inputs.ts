import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Where a package's input was found on this computer. */
export interface FoundInput {
  /** As `training.yaml` names it: the path below `input/` in the bucket. */
  name: string;
  /** A folder; `undefined`: nothing was found, and the package has to make do without. */
  folder?: string;
}

/**
 * Looks for each input of a package: `$ML_TRAINING_DATA/NAME` (or `$ML_TRAINING_DATA` itself, if its last part is NAME),
 * then `../shared/data/NAME` beside the repository.
 */
export function findInputs(names: string[], environment: NodeJS.ProcessEnv = process.env): FoundInput[] {
  const places = [environment.ML_TRAINING_DATA, join(root, "..", "shared", "data")].filter(
    (place) => place,
  ) as string[];
  return names.map((name) => {
    const candidates = places.flatMap((place) => [join(place, name), place.endsWith(name) ? place : ""]);
    const folder = candidates.find((path) => path !== "" && existsSync(path) && statSync(path).isDirectory());
    return folder ? { name, folder: resolve(folder) } : { name };
  });
}
