import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type Environment, SCHEMA } from "./contract.ts";
import { UserError } from "./errors.ts";
import { fileError, makeFolder, quotable } from "./files.ts";
import { nearest } from "./nearest.ts";
import { Objects } from "./storage.ts";

/** An environment that was found and read: what every command works with. */
export interface OpenEnvironment extends Environment {
  readonly objects: Objects;
}

const BUCKET = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;

/** The bucket's name out of `gs://BUCKET[/]` or `BUCKET`. */
export function bucketOf(url: string): string {
  const bucket = url
    .trim()
    .replace(/^gs:\/\//, "")
    .replace(/\/+$/, "");
  if (!BUCKET.test(bucket)) {
    // A path in the bucket, or the console's address of it.
    const inside = /^(?:https:\/\/[^/]+\/storage\/browser\/)?([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:[/?;].*)?$/.exec(
      bucket,
    )?.[1];
    const near = inside ? ` Did you mean gs://${inside}?` : "";
    throw new UserError(
      `An environment is named by its data bucket, gs://BUCKET; got "${quotable(url)}".${near} \`pulumi stack output dataBucketUrl\` prints it.`,
    );
  }
  return bucket;
}

/** Reads `environment.json`; every way in which it can be missing or foreign has its own message. */
export async function openEnvironment(url: string, objects = new Objects()): Promise<OpenEnvironment> {
  const bucket = bucketOf(url);
  const found = await objects.readJson<Environment>(bucket, "environment.json");
  if (!found) {
    throw new UserError(
      `gs://${bucket} is a bucket but no training environment: it has no environment.json. Use the bucket that \`pulumi stack output dataBucketUrl\` prints; if this is the one, \`pulumi up\` writes the file.`,
    );
  }
  const problem = environmentProblem(found.value);
  if (problem) throw new UserError(`gs://${bucket}/environment.json cannot be used: ${problem}`);
  return { ...found.value, objects };
}

/** Why a parsed `environment.json` cannot be used; `undefined` if it can. */
export function environmentProblem(value: unknown): string | undefined {
  const text = (holder: unknown, key: string) => typeof (holder as Record<string, unknown>)?.[key] === "string";
  if (typeof value !== "object" || value === null) return "it is no JSON object.";
  const { schema, buckets, zones } = value as Partial<Environment>;
  if (typeof schema !== "number") return "it has no schema version.";
  if (schema > SCHEMA) {
    return `it has schema ${schema}, this version of mlt reads up to ${SCHEMA}. Update mlt (git pull && npm ci).`;
  }
  const missing = ["environment", "project", "region"].filter((key) => !text(value, key));
  if (!text(buckets, "data")) missing.push("buckets.data");
  if (!text(buckets, "scratch")) missing.push("buckets.scratch");
  if (!Array.isArray(zones)) missing.push("zones");
  return missing.length === 0 ? undefined : `it lacks ${missing.join(", ")}. \`pulumi up\` writes it anew.`;
}

/** The file that holds the choice of `mlt use`. */
export function choiceFile(): string {
  const base = process.env.XDG_CONFIG_HOME?.trim() || join(homedir(), ".config");
  return join(base, "ml-training", "environment");
}

/** The project is kept with it: when the bucket is gone, nothing else would say where to look for what is left. */
export async function saveChoice(bucket: string, project: string): Promise<string> {
  const file = choiceFile();
  try {
    await makeFolder(dirname(file), 0o700);
    await writeFile(file, `gs://${bucket}\nproject ${project}\n`, { mode: 0o600 });
  } catch (error) {
    throw fileError(error, `Writing ${file}, where the choice is kept,`);
  }
  return file;
}

/** What `mlt use` has chosen last; empty where it has not. */
export async function readChoice(): Promise<{ url?: string; project?: string }> {
  const [url, second] = (await readFile(choiceFile(), "utf8").catch(() => "")).split("\n").map((line) => line.trim());
  const project = /^project (\S+)$/.exec(second ?? "")?.[1];
  return { ...(url ? { url } : {}), ...(project ? { project } : {}) };
}

/** Which environment is meant, and who said so: flag, then MLT_ENVIRONMENT, then `mlt use`, then the stack's outputs. */
export async function chosenEnvironment(flag: string | undefined): Promise<{ url: string; from: string }> {
  if (flag !== undefined) return { url: flag, from: "--environment" };
  const variable = process.env.MLT_ENVIRONMENT?.trim();
  if (variable) return { url: variable, from: "MLT_ENVIRONMENT" };
  const saved = await readChoice();
  if (saved.url) return { url: saved.url, from: choiceFile() };
  const output = await stackOutput();
  if (output) return { url: output, from: "pulumi stack output" };
  throw new UserError(
    "No environment is chosen. Choose one with `mlt use gs://BUCKET` (the bucket that `pulumi stack output dataBucketUrl` prints), or pass --environment gs://BUCKET.",
  );
}

/** The stack's data bucket, where Pulumi is installed and a stack is selected here; silent in every other case. */
function stackOutput(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile("pulumi", ["stack", "output", "--json"], { timeout: 15_000 }, (error, stdout) => {
      if (error) return resolve(undefined);
      try {
        const { dataBucketUrl } = JSON.parse(stdout) as { dataBucketUrl?: unknown };
        resolve(typeof dataBucketUrl === "string" ? dataBucketUrl : undefined);
      } catch {
        resolve(undefined);
      }
    });
  });
}

/** The environment's training part, or the message that says how to get one. */
export function trainingOf(environment: Environment): NonNullable<Environment["training"]> {
  if (environment.training) return environment.training;
  throw new UserError(
    `The environment ${environment.environment} has no training part. Set \`mltraining:training\` in its stack and run \`pulumi up\`.`,
  );
}

/** The environment's zones that have a training template, in the order in which machines are tried. */
export function usableZones(environment: Environment): string[] {
  const templates = environment.training?.templates ?? {};
  return environment.zones.filter((zone) => templates[regionOf(zone)] !== undefined);
}

/** `us-central1` of `us-central1-a`. */
export function regionOf(zone: string): string {
  return zone.replace(/-[a-z]$/, "");
}

/** `did you mean …` for a word out of a list, or nothing. */
export function meant(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near ? ` Did you mean ${near}?` : "";
}
