import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CourseRecord, StackPlan } from "./contract.ts";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));

/** All that decides what the program makes of its settings: its own text and that of what it loads. */
const PROGRAM = [
  "index.ts",
  "Pulumi.yaml",
  "package-lock.json",
  "components",
  "catalog",
  "startup-scripts",
  "training",
];

/** A hash over the program. */
export async function programHash(root = REPOSITORY): Promise<string> {
  const hash = createHash("sha256");
  for (const name of PROGRAM) await add(hash, root, name);
  return hash.digest("hex");
}

async function add(hash: ReturnType<typeof createHash>, root: string, name: string): Promise<void> {
  const path = join(root, name);
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  if (!entries) {
    const data = await readFile(path);
    hash.update(`${name}\0${data.length}\0`).update(data);
    return;
  }
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const isOurs = entry.isDirectory() || entry.isFile();
    if (isOurs && !/^(\.|__pycache__|node_modules$)/.test(entry.name)) await add(hash, root, `${name}/${entry.name}`);
  }
}

/**
 * What a stack's `up` is made of: program, settings, and what it reads of its foundation. Two that are equal do the same,
 * but for the newest image of a family, which Google changes: that alone is looked up with the next change.
 */
export function fingerprint(plan: StackPlan, program: string, foundation?: Record<string, unknown>): string {
  const { name, project, scope, config } = plan;
  const text = JSON.stringify(sorted({ name, project, scope, config, program, foundation: foundation ?? {} }));
  return createHash("sha256").update(text).digest("hex");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.sort(([one], [other]) => (one < other ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}

/**
 * Whether an `up` would change nothing: it is made of the same as the last that ended well, and the state is, byte for
 * byte, the one that it left. Anything else (another clone, a `pulumi up` by hand, an operation that was broken off)
 * makes the state's mark another.
 */
export function isUnchanged(record: CourseRecord, stack: string, of: string, mark: string | undefined): boolean {
  const applied = record.applied?.[stack];
  return applied !== undefined && mark !== undefined && applied.of === of && applied.mark === mark;
}
