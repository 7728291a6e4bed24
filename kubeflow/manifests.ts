import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { lt } from "semver";
import { parseAllDocuments } from "yaml";
import { DEFAULT_KUBEFLOW, KUBEFLOW_RELEASES, KUSTOMIZE, type KubeflowRelease } from "../catalog/kubeflow.ts";
import { nearest } from "../training/nearest.ts";
import { canonicalHash, canonicalJson } from "./canonical.ts";
import { fetchSources, kustomizeVersion, localSources, type Run, render, runCommand } from "./manifestSources.ts";
import { type KubeObject, nameOf } from "./objects.ts";
import { KubeflowError } from "./problem.ts";

/** What a release consists of before anything of it is changed. */
export interface Manifests {
  release: KubeflowRelease;
  objects: KubeObject[];
  /** Doubts that stop nothing. */
  warnings: string[];
}

export interface ManifestsWish {
  /** @default DEFAULT_KUBEFLOW */
  version?: string;
  /**
   * A folder with checkouts of both repositories, or a rendered YAML or JSON file, instead of the network.
   * @default the environment variable ML_TRAINING_KUBEFLOW_MANIFESTS
   */
  from?: string;
  /** @default ~/.cache/ml-training/kubeflow; ML_TRAINING_CACHE moves it */
  cache?: string;
  progress?: (line: string) => void;
  run?: Run;
  /** Addresses of the repositories, where they are mirrored. */
  urls?: { pipelines: string; argo: string };
}

export const MANIFESTS_VARIABLE = "ML_TRAINING_KUBEFLOW_MANIFESTS";

/** @throws {KubeflowError} for a version that the catalog lacks */
export function releaseOf(version: string = DEFAULT_KUBEFLOW): KubeflowRelease {
  const release = KUBEFLOW_RELEASES[version];
  if (release) return release;
  const known = Object.keys(KUBEFLOW_RELEASES);
  const meant = nearest(version, known) ?? nearest(version.replace(/^v/, ""), known);
  throw new KubeflowError(
    `there is no release ${JSON.stringify(version)} of Kubeflow Pipelines that this program knows; ` +
      (meant ? `did you mean ${meant}?` : `those are ${known.join(", ")}`),
  );
}

/**
 * A release's objects: from the cache after the first time, from a folder or file that the user names, else fetched
 * with git and rendered with kubectl. They are compared with the hash in the catalog: what differs is refused, unless
 * the user named where it comes from, and then told.
 *
 * @throws {KubeflowError} in the user's words
 */
export async function readManifests(wish: ManifestsWish = {}): Promise<Manifests> {
  const release = releaseOf(wish.version);
  const from = wish.from ?? (process.env[MANIFESTS_VARIABLE] || undefined);
  if (from) return readNamed(release, resolve(from), wish);
  const cache =
    wish.cache ?? join(process.env.ML_TRAINING_CACHE || join(homedir(), ".cache", "ml-training"), "kubeflow");
  const kept = join(cache, `rendered-${release.version}-${release.commit.slice(0, 12)}.json`);
  const known = readKept(kept, release);
  if (known) return { release, objects: known, warnings: [] };

  const { run = runCommand, progress, urls } = wish;
  const kustomize = await usableKustomize(run);
  const sources = await fetchSources(release, cache, { run, progress, urls });
  const objects = await rendered(sources, release, run);
  const hash = canonicalHash(objects);
  if (hash !== release.rendered.sha256) {
    throw new KubeflowError(
      `Kubeflow Pipelines ${release.version} renders differently here: SHA-256 ${hash}, expected ` +
        `${release.rendered.sha256}; its sources are the right ones, so it is kubectl's kustomize ${kustomize} ` +
        `(known to agree: ${KUSTOMIZE.seen.join(", ")}); take such a kubectl, or render it yourself, read it, and name ` +
        `the file: kubeflow.manifests in mltraining's configuration (docs/kubeflow.md)`,
    );
  }
  keep(kept, canonicalJson(objects));
  return { release, objects, warnings: [] };
}

async function readNamed(
  release: KubeflowRelease,
  path: string,
  { run = runCommand }: ManifestsWish,
): Promise<Manifests> {
  if (!existsSync(path)) throw new KubeflowError(`there are no manifests of Kubeflow at ${path}`);
  const isFolder = statSync(path).isDirectory();
  if (isFolder) await usableKustomize(run);
  const objects = isFolder
    ? await rendered(localSources(path), release, run)
    : parseObjects(readFileSync(path, "utf8"), path);
  const hash = canonicalHash(objects);
  const warnings =
    hash === release.rendered.sha256
      ? []
      : [
          `the manifests at ${path} are not those of Kubeflow Pipelines ${release.version} that this program was made for: ` +
            `SHA-256 ${hash} of ${objects.length} objects, expected ${release.rendered.sha256} of ${release.rendered.objects}; they are used as they are`,
        ];
  return { release, objects, warnings };
}

async function rendered(
  sources: { pipelines: string; argo: string },
  release: KubeflowRelease,
  run: Run,
): Promise<KubeObject[]> {
  const work = mkdtempSync(join(tmpdir(), "mlt-kubeflow-"));
  try {
    return parseObjects(await render(sources, release, work, run), `Kubeflow Pipelines ${release.version}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function usableKustomize(run: Run): Promise<string> {
  const version = await kustomizeVersion(run);
  if (lt(version, KUSTOMIZE.least)) {
    throw new KubeflowError(
      `kubectl is too old: it renders with kustomize ${version}, and Kubeflow's manifests need ${KUSTOMIZE.least} or newer ` +
        "(kubectl 1.27); update it: gcloud components update, or https://kubernetes.io/docs/tasks/tools/",
    );
  }
  return version;
}

/**
 * The objects of a YAML stream, of a JSON list, or of a `List`.
 * @throws {KubeflowError} naming `where` and what is no object
 */
export function parseObjects(text: string, where: string): KubeObject[] {
  const documents: unknown[] = [];
  if (/^\s*[[{]/.test(text)) {
    try {
      documents.push(JSON.parse(text));
    } catch (error) {
      throw new KubeflowError(`${where} is not valid JSON: ${(error as Error).message}`);
    }
  } else {
    for (const document of parseAllDocuments(text)) {
      const [error] = document.errors;
      if (error) throw new KubeflowError(`${where} is not valid YAML: ${error.message.split("\n")[0]}`);
      documents.push(document.toJS());
    }
  }
  const objects = documents.flatMap((document) => {
    if (document === null || document === undefined) return [];
    if (Array.isArray(document)) return document;
    const { kind, items } = document as { kind?: string; items?: unknown[] };
    return kind === "List" && items ? items : [document];
  });
  const seen = new Set<string>();
  objects.forEach((object, index) => {
    const { apiVersion, kind, metadata } = (object ?? {}) as Partial<KubeObject>;
    if (typeof apiVersion !== "string" || typeof kind !== "string" || typeof metadata?.name !== "string") {
      throw new KubeflowError(
        `${where}: document ${index + 1} is no Kubernetes object (apiVersion, kind, metadata.name)`,
      );
    }
    const key = `${apiVersion} ${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
    if (seen.has(key)) throw new KubeflowError(`${where} holds ${nameOf(object as KubeObject)} twice`);
    seen.add(key);
  });
  if (objects.length === 0) throw new KubeflowError(`${where} holds no Kubernetes objects`);
  return objects as KubeObject[];
}

/** What an earlier call kept, if it is whole and what the catalog says. */
function readKept(file: string, release: KubeflowRelease): KubeObject[] | undefined {
  try {
    const objects = JSON.parse(readFileSync(file, "utf8")) as KubeObject[];
    return canonicalHash(objects) === release.rendered.sha256 ? objects : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all; several programs may do it at once. A cache that cannot be written costs time, not the plan. */
function keep(file: string, text: string): void {
  const part = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(part, text);
    renameSync(part, file);
  } catch {
    rmSync(part, { force: true });
  }
}
