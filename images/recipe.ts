import { createHash } from "node:crypto";
import { lstat, readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Archive, archive } from "../training/archive.ts";
import { Problems, UserError } from "../training/errors.ts";
import { fileError, nameProblem, quotable } from "../training/files.ts";
import { ignoreRules } from "../training/ignore.ts";
import { requirementProblems } from "../training/requirements.ts";
import { SNIFF_BYTES, secretIn } from "../training/secrets.ts";
import type { ImageManifest } from "./manifest.ts";

/**
 * A recipe travels through the bucket, so Google's limit for metadata does not bind it; this one keeps data sets out,
 * which would be copied into every image.
 */
export const MAX_RECIPE_BYTES = 10 * 1024 * 1024;
export const MAX_RECIPE_FILES = 1000;

/** An image recipe that was read and found usable. */
export interface Recipe {
  folder: string;
  manifest: ImageManifest;
  files: string[];
  /** The same files give the same bytes, and so the same SHA-256, everywhere. */
  archive: Archive;
}

/** Reads and checks a recipe's folder; throws every problem at once. Nothing leaves the computer. */
export async function readRecipe(directory: string): Promise<Recipe> {
  const folder = await recipeFolder(directory);
  const problems: string[] = [];
  const patterns = await readFile(join(folder, ".mltignore"), "utf8").catch(() => "");
  const files = await walk(folder, ignoreRules(patterns), problems);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const subject = `The image recipe ${quotable(directory)} cannot be used`;
  if (files.length > MAX_RECIPE_FILES || total > MAX_RECIPE_BYTES) {
    const biggest = [...files].sort((a, b) => b.size - a.size).slice(0, 3);
    const list = biggest.map(({ path, size }) => `${path} ${megabytes(size)}`).join(", ");
    problems.push(
      `it holds ${files.length} files with ${megabytes(total)}; ${MAX_RECIPE_FILES} files and ${megabytes(MAX_RECIPE_BYTES)} are the most, the biggest: ${list}. A recipe is scripts and lists; let a step fetch what is big from the data bucket, or name it in .mltignore`,
    );
    throw new Problems(subject, problems);
  }
  const entries = await Promise.all(
    files.map(async ({ path }) => ({ path, data: await readFile(join(folder, path)) })),
  ).catch((error: unknown) => {
    throw fileError(error, `Reading the image recipe ${quotable(directory)}`);
  });
  const contents = new Map(entries.map(({ path, data }) => [path, data]));
  // The schema library is loaded only by those who read recipes.
  const { parseImageManifest } = await import("./manifest.ts");
  const { manifest, problems: wrong } = parseImageManifest(contents.get("image.yaml") ?? "");
  problems.push(...wrong);
  problems.push(...requirementsOf(contents));
  for (const [index, step] of (manifest?.steps ?? []).entries()) {
    problems.push(...stepProblems(`steps.${index}`, step, contents));
  }
  for (const { path, data } of entries) {
    const secret = secretIn(path, data.subarray(0, SNIFF_BYTES));
    if (secret) problems.push(`${path} holds ${secret}: whoever may use the image could read it. Take it out`);
  }
  if (problems.length > 0 || !manifest) throw new Problems(subject, problems);
  return { folder, manifest, files: files.map(({ path }) => path), archive: archive(entries) };
}

async function recipeFolder(directory: string): Promise<string> {
  const rule = "An image recipe is a folder with an image.yaml";
  if (directory.trim() === "") throw new UserError(`${rule}; got "". Name its folder: mlt image build FOLDER`);
  const folder = resolve(directory);
  const info = await stat(folder).catch(() => undefined);
  if (!info) throw new UserError(`${rule}; there is no ${quotable(directory)}.`);
  if (!info.isDirectory()) throw new UserError(`${rule}; ${quotable(directory)} is a file. Name its folder.`);
  if (!(await stat(join(folder, "image.yaml")).catch(() => undefined))?.isFile()) {
    throw new UserError(`${rule}; ${quotable(directory)} has none. examples/images/census is one to copy.`);
  }
  return folder;
}

function requirementsOf(contents: ReadonlyMap<string, Buffer>): string[] {
  const requirements = contents.get("requirements.txt");
  if (requirements) return requirementProblems(requirements.toString("utf8"));
  return contents.has("requirements.in")
    ? [
        "requirements.in is there, requirements.txt is not: `uv pip compile --generate-hashes requirements.in -o requirements.txt` makes it",
      ]
    : [];
}

function stepProblems(
  key: string,
  { file, sha256 }: ImageManifest["steps"][number],
  contents: ReadonlyMap<string, Buffer>,
): string[] {
  const data = contents.get(file);
  if (!data) return [`image.yaml: ${key}.file: there is no ${quotable(file)} in the recipe's folder`];
  const problems: string[] = [];
  if (!data.subarray(0, 2).equals(Buffer.from("#!"))) {
    problems.push(`${file} must begin with #! and the program that runs it, such as #!/usr/bin/env bash`);
  }
  if (data.includes("\r\n")) problems.push(`${file} has Windows line ends; save it with LF`);
  const actual = createHash("sha256").update(data).digest("hex");
  if (actual !== sha256) {
    problems.push(
      `${file} is not what image.yaml says: its SHA-256 is ${actual}, ${key}.sha256 is ${sha256.slice(0, 12)}…. If the change is meant, write the new one`,
    );
  }
  return problems;
}

interface Found {
  path: string;
  size: number;
}

async function walk(
  folder: string,
  ignored: (path: string, isFolder: boolean) => boolean,
  problems: string[],
  below = "",
): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of (await readdir(join(folder, below))).sort()) {
    const path = below ? `${below}/${name}` : name;
    const info = await lstat(join(folder, path));
    if (ignored(path, info.isDirectory())) continue;
    const wrong = nameProblem(name);
    if (wrong) problems.push(`${quotable(path)} has ${wrong}; rename it`);
    else if (info.isDirectory()) found.push(...(await walk(folder, ignored, problems, path)));
    else if (info.isFile()) found.push({ path, size: info.size });
    else problems.push(`${path} is a link or a device; put the file itself there, or name it in .mltignore`);
    if (found.length > MAX_RECIPE_FILES) return found;
  }
  return found;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
