import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";
import { type Archive, archive } from "./archive.ts";
import { messageOf, Problems, UserError } from "./errors.ts";
import { fileError, fileReason, nameProblem, quotable } from "./files.ts";
import { type Ignored, ignoreRules } from "./ignore.ts";
import type { Manifest } from "./manifest.ts";
import { requirementProblems } from "./requirements.ts";
import { SNIFF_BYTES, secretIn } from "./secrets.ts";

export type { Manifest } from "./manifest.ts";

/** The most that a package's files may hold together: code is small, data belongs into the bucket. */
export const MAX_PACKAGE_BYTES = 100 * 1024 * 1024;

/** The same in files: more than that is a data set, or a folder that is no package. */
export const MAX_PACKAGE_FILES = 10_000;
const MAX_TOLD = 30;

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
  const folder = await packageFolder(directory);
  const problems: string[] = [];
  const patterns = await readFile(join(folder, ".mltignore"), "utf8").catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== "ENOENT") problems.push(unreadable(".mltignore", error));
    return "";
  });
  const ignored = ignoreRules(patterns);
  const files = await walk(folder, ignored, problems);
  if (files.length > MAX_PACKAGE_FILES) {
    // Whatever else is wrong with so many is not worth the wait.
    throw new Problems(`The package ${quotable(directory)} cannot be used`, [
      `it holds more than ${MAX_PACKAGE_FILES} files, which is the most. Data belongs into the bucket (\`mlt put\`); name the rest in .mltignore`,
    ]);
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));

  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > MAX_PACKAGE_BYTES) problems.push(tooLarge(files, total));
  const entries: { path: string; data: Buffer }[] = [];
  for (const file of files) {
    try {
      // Over the limit nothing is read as a whole; the secrets are still looked for.
      const wanted = total > MAX_PACKAGE_BYTES && file.size > SNIFF_BYTES ? 0 : undefined;
      entries.push({ path: file.path, data: wanted === 0 ? Buffer.alloc(0) : await readFile(file.absolute) });
    } catch (error) {
      problems.push(unreadable(file.path, error));
    }
  }
  const contents = new Map(entries.map(({ path, data }) => [path, data]));
  const manifest = await readManifest(folder, contents.get("training.yaml"), problems);
  const requirements = contents.get("requirements.txt");
  if (requirements) problems.push(...requirementProblems(requirements.toString("utf8")));
  else if (contents.has("requirements.in")) {
    problems.push(
      "requirements.in is there, requirements.txt is not: `uv pip compile --generate-hashes requirements.in -o requirements.txt` makes it",
    );
  }
  for (const { path, data } of entries) {
    const secret = secretIn(path, data.subarray(0, SNIFF_BYTES));
    if (!secret) continue;
    problems.push(
      `${path} holds ${secret}: a package is stored for good and read by machines. Remove it, or name it in .mltignore`,
    );
  }
  if (problems.length > 0 || !manifest)
    throw new Problems(`The package ${directory} cannot be used`, shortened(problems));
  return { folder, manifest, files: files.map((file) => file.path), archive: archive(entries) };
}

/** The folder, if it has a training.yaml: without one, whatever else lies there is of no interest. */
async function packageFolder(directory: string): Promise<string> {
  const rule = "A training package is a folder with a training.yaml";
  if (directory.trim() === "") throw new UserError(`${rule}; got "". Name its folder: mlt train DIR`);
  const folder = resolve(directory);
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new UserError(`${rule}; ${quotable(directory)} is a file. Name its folder.`);
    }
    const names = await readdir(folder);
    if (!names.includes("training.yaml")) {
      const other = names.find((name) => /^training\.(yml|json)$/i.test(name) || /^training\.yaml$/i.test(name));
      throw new Problems(`The package ${quotable(directory)} cannot be used`, [
        `training.yaml is missing${other ? ` (rename ${other})` : ""}: the package needs at least \`command: [python, train.py]\` in it`,
      ]);
    }
    if (!(await stat(join(folder, "training.yaml")).catch(() => undefined))?.isFile()) {
      throw new Problems(`The package ${quotable(directory)} cannot be used`, [
        "training.yaml is no file: the package needs at least `command: [python, train.py]` in it",
      ]);
    }
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT") throw new UserError(`${rule}; there is no ${quotable(directory)}.`);
    throw fileError(error, `Reading the package ${quotable(directory)}`);
  }
  return folder;
}

async function readManifest(
  folder: string,
  text: Buffer | undefined,
  problems: string[],
): Promise<Manifest | undefined> {
  if (!text) {
    // It is there, but its name is in .mltignore, or it could not be read, which has been told.
    if (!problems.some((problem) => problem.startsWith("training.yaml "))) {
      problems.push("training.yaml is left out by a pattern in .mltignore; take the pattern away");
    }
    return undefined;
  }
  // The schema library is loaded only by those who read packages.
  const { parseManifest } = await import("./manifest.ts");
  const parsed = parseManifest(text, basename(folder));
  problems.push(...parsed.problems);
  return parsed.manifest;
}

async function walk(folder: string, ignored: Ignored, problems: string[]): Promise<Found[]> {
  const found: Found[] = [];
  const root = await realpath(folder);
  const visit = async (absolute: string, path: string): Promise<void> => {
    const names = await readdir(absolute).catch((error: unknown) => {
      problems.push(unreadable(path || ".", error));
      return [];
    });
    for (const name of names.sort()) {
      if (found.length > MAX_PACKAGE_FILES) return;
      const child = join(absolute, name);
      const childPath = path ? `${path}/${name}` : name;
      const wrong = nameProblem(name);
      if (wrong) {
        if (!ignored(childPath, false)) problems.push(`${quotable(childPath)} has ${wrong}; rename it`);
        continue;
      }
      const info = await lstat(child).catch((error: unknown) => {
        problems.push(unreadable(childPath, error));
        return undefined;
      });
      if (!info || ignored(childPath, info.isDirectory())) continue;
      if (info.isDirectory()) await visit(child, childPath);
      else if (info.isFile()) found.push({ path: childPath, absolute: child, size: info.size });
      else if (info.isSymbolicLink()) {
        const target = await realpath(child).catch(() => undefined);
        const inside = target !== undefined && (target === root || target.startsWith(root + sep));
        const file = inside ? await stat(target).catch(() => undefined) : undefined;
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

function unreadable(path: string, error: unknown): string {
  return `${quotable(path)} cannot be read: ${fileReason(error) ?? messageOf(error)}. Put that right, or name it in .mltignore`;
}

/** So many that nobody would read them are told by their number. */
function shortened(problems: readonly string[]): readonly string[] {
  if (problems.length <= MAX_TOLD) return problems;
  return [...problems.slice(0, MAX_TOLD - 1), `… and ${problems.length - MAX_TOLD + 1} more`];
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
