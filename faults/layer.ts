import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chownSync, lchownSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { FIRST_ID } from "../localcloud/guests/nspawn/root.ts";

/** Path to contents; `{ link }` is a symbolic link. */
export type LayerFiles = Record<string, string | { link: string }>;

/** Writes files as an image's layer (`upper/`, of the guests' root), or as plain files of a machine that is a folder. */
export function writeLayer(folder: string, files: LayerFiles, kind: "layer" | "plain" = "layer"): void {
  const base = kind === "layer" ? join(folder, "upper") : folder;
  const owner = kind === "layer" ? FIRST_ID : undefined;
  const made = new Set<string>();
  const makeFolder = (path: string) => {
    if (made.has(path)) return;
    made.add(path);
    if (path !== base) makeFolder(dirname(path));
    mkdirSync(path, { recursive: true, mode: 0o755 });
    if (owner !== undefined) chownSync(path, owner, owner);
  };
  makeFolder(base);
  for (const [path, content] of Object.entries(files)) {
    const target = join(base, path);
    makeFolder(dirname(target));
    if (typeof content === "string") writeFileSync(target, content, { mode: 0o644 });
    else symlinkSync(content.link, target);
    if (owner !== undefined) lchownSync(target, owner, owner);
  }
}

export interface Python {
  /** `3.11` */
  version: string;
  path: string;
}

/** A virtual environment that the supervisor finds finished: the steps that a case is not about take no time. */
export function seededVenv(run: { id: string; requirements: string }, python: Python): LayerFiles {
  const venv = `var/lib/ml-training/runs/${run.id}/venv`;
  const fingerprint = createHash("sha256")
    .update(`(${python.version.replace(".", ", ")})`)
    .update(run.requirements)
    .digest("hex");
  return {
    [`${venv}/pyvenv.cfg`]: `home = ${dirname(python.path)}\nversion = ${python.version}\n`,
    [`${venv}/bin/python`]: { link: python.path },
    [`${venv}/requirements.sha256`]: fingerprint,
  };
}

export function guestPython(root: string): Python {
  const name = readlinkSync(join(root, "usr/bin/python3"));
  return { version: name.replace("python", ""), path: "/usr/bin/python3" };
}

let found: Python | undefined;

/** The Python that a machine of the process level finds. */
export function hostPython(): Python {
  if (!found) {
    const code = "import sys; print('%d.%d' % sys.version_info[:2], getattr(sys, '_base_executable', sys.executable))";
    const [version = "", path = ""] = execFileSync("python3", ["-I", "-c", code], { encoding: "utf8" })
      .trim()
      .split(" ");
    found = { version, path };
  }
  return found;
}
