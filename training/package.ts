import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";
import { type Archive, archive } from "./archive.ts";
import { Problems, UserError } from "./errors.ts";
import { type Ignored, ignoreRules } from "./ignore.ts";
import type { Manifest } from "./manifest.ts";
import { requirementProblems } from "./requirements.ts";
import { SNIFF_BYTES, secretIn } from "./secrets.ts";

export type { Manifest } from "./manifest.ts";

/** The most that a package's files may hold together: code is small, data belongs into the bucket. */
export const MAX_PACKAGE_BYTES = 100 * 1024 * 1024;

/** A training package that was read and found usable. */
export interface Package {
  folder: string;
  manifest: Manifest;
  /** Paths in the archive, sorted. */
  files: string[];
  archive: Archive;
}

interface Found {
  path: string;
  absolute: string;
  size: number;
}

/** Reads and checks a package's folder; throws every problem at once. Nothing leaves the computer. */
export async function readPackage(directory: string): Promise<Package> {
  const folder = resolve(directory);
  const info = await stat(folder).catch(() => undefined);
  if (!info) throw new UserError(`A training package is a folder with a training.yaml; there is no ${directory}.`);
  if (!info.isDirectory()) {
    throw new UserError(
      `A training package is a folder with a training.yaml; ${directory} is a file. Name its folder.`,
    );
  }
  const ignored = ignoreRules(await readFile(join(folder, ".mltignore"), "utf8").catch(() => ""));
  const problems: string[] = [];
  const files = await walk(folder, ignored, problems);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));

  const manifest = await readManifest(folder, files, problems);
  const requirements = files.find((file) => file.path === "requirements.txt");
  if (requirements) problems.push(...requirementProblems(await readFile(requirements.absolute, "utf8")));
  else if (files.some((file) => file.path === "requirements.in")) {
    problems.push(
      "requirements.in is there, requirements.txt is not: `uv pip compile --generate-hashes requirements.in -o requirements.txt` makes it",
    );
  }

  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > MAX_PACKAGE_BYTES) problems.push(tooLarge(files, total));
  const entries: { path: string; data: Buffer }[] = [];
  for (const file of files) {
    // Over the limit nothing is read as a whole; the secrets are still looked for.
    const data = total > MAX_PACKAGE_BYTES && file.size > SNIFF_BYTES ? Buffer.alloc(0) : await readFile(file.absolute);
    const secret = secretIn(file.path, data.subarray(0, SNIFF_BYTES));
    if (secret) {
      problems.push(
        `${file.path} holds ${secret}: a package is stored for good and read by machines. Remove it, or name it in .mltignore`,
      );
    }
    entries.push({ path: file.path, data });
  }
  if (problems.length > 0 || !manifest) throw new Problems(`The package ${directory} cannot be used`, problems);
  return { folder, manifest, files: files.map((file) => file.path), archive: archive(entries) };
}

async function readManifest(
  folder: string,
  files: readonly Found[],
  problems: string[],
): Promise<Manifest | undefined> {
  const file = files.find((found) => found.path === "training.yaml");
  if (!file) {
    const other = files.find((found) => /^training\.(yml|json)$/.test(found.path));
    problems.push(
      `training.yaml is missing${other ? ` (rename ${other.path})` : ""}: the package needs at least \`command: [python, train.py]\` in it`,
    );
    return undefined;
  }
  // The schema library is loaded only by those who read packages.
  const { parseManifest } = await import("./manifest.ts");
  const parsed = parseManifest(await readFile(file.absolute, "utf8"), basename(folder));
  problems.push(...parsed.problems);
  return parsed.manifest;
}

async function walk(folder: string, ignored: Ignored, problems: string[]): Promise<Found[]> {
  const found: Found[] = [];
  const root = await realpath(folder);
  const visit = async (absolute: string, path: string): Promise<void> => {
    for (const name of (await readdir(absolute)).sort()) {
      const child = join(absolute, name);
      const childPath = path ? `${path}/${name}` : name;
      const info = await lstat(child);
      if (ignored(childPath, info.isDirectory())) continue;
      if (info.isDirectory()) await visit(child, childPath);
      else if (info.isFile()) found.push({ path: childPath, absolute: child, size: info.size });
      else if (info.isSymbolicLink()) {
        const target = await realpath(child).catch(() => undefined);
        const inside = target !== undefined && (target === root || target.startsWith(root + sep));
        const file = inside ? await stat(target) : undefined;
        if (file?.isFile()) found.push({ path: childPath, absolute: target!, size: file.size });
        else
          problems.push(
            `${childPath} is a link ${linkProblem(root, target)}; put the file itself there, or name it in .mltignore`,
          );
      } else problems.push(`${childPath} is neither file nor folder; remove it, or name it in .mltignore`);
    }
  };
  await visit(folder, "");
  return found;
}

function linkProblem(root: string, target: string | undefined): string {
  if (target === undefined) return "to nothing";
  const inside = relative(root, target);
  return inside.startsWith("..") ? `out of the package (to ${target})` : `to a folder (${inside || "."})`;
}

function tooLarge(files: readonly Found[], total: number): string {
  const biggest = [...files].sort((a, b) => b.size - a.size).slice(0, 3);
  const list = biggest.map((file) => `${file.path} ${megabytes(file.size)}`).join(", ");
  return `the files hold ${megabytes(total)}, 100 MB is the most; the biggest: ${list}. Data belongs into the bucket (\`mlt put\`); name the rest in .mltignore`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
