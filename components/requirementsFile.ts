import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import type { WorkstationConfig } from "./workstationConfig.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Locked with hashes, hundreds of packages have a fraction of this. */
const MOST_BYTES = 1024 * 1024;

/**
 * The text of the workstation's requirements.txt, if it is a file here.
 * @throws {pulumi.RunError} if there is none, or what is there is no such file; nothing has been registered yet
 */
export function readRequirementsFile(config: WorkstationConfig | undefined, root = ROOT): string | undefined {
  const { requirements } = config ?? {};
  if (!requirements || !("file" in requirements)) return undefined;
  const { file } = requirements;
  const fail = (reason: string): never => {
    throw new pulumi.RunError(
      `mltraining:workstation.requirements ${reason}; nothing was changed. Name a requirements.txt relative to Pulumi.yaml's folder; got ${JSON.stringify(file)}`,
    );
  };
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(root, file));
  } catch (error) {
    return fail((error as NodeJS.ErrnoException).code === "EISDIR" ? "is a folder" : "cannot be read");
  }
  if (bytes.length > MOST_BYTES) return fail(`holds ${bytes.length} bytes, ${MOST_BYTES} is the most`);
  if (bytes.includes(0)) return fail("is no text");
  return bytes.toString("utf8").replaceAll("\r\n", "\n");
}
