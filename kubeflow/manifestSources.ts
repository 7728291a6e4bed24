import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { parse, stringify } from "yaml";
import type { KubeflowRelease } from "../catalog/kubeflow.ts";
import { KubeflowError } from "./problem.ts";

// Where the manifests come from: two repositories at two commits. A commit's id is a hash of everything below it, and
// git checks what it receives, so a tag that was moved or a server that answers something else changes nothing here.

/** Folders with the files of both repositories, as their own checkouts have them. */
export interface Sources {
  pipelines: string;
  argo: string;
}

/** `files`: git's patterns for what is taken of a repository; Argo's full schemas (9 MB) are not used. */
export const REPOSITORIES = {
  pipelines: {
    url: "https://github.com/kubeflow/pipelines",
    folder: "manifests/kustomize",
    files: ["/manifests/kustomize/"],
  },
  argo: {
    url: "https://github.com/argoproj/argo-workflows",
    folder: "manifests",
    files: ["/manifests/base/", "!/manifests/base/crds/full/", "/manifests/namespace-install/"],
  },
} as const;

/** What the two parts of an installation are called in the pipelines' repository. */
export const PARTS = ["cluster-scoped-resources", "env/platform-agnostic"] as const;

/** Names of the two folders in a folder of sources: what `git clone` calls them. */
const CHECKOUTS = { pipelines: "pipelines", argo: "argo-workflows" } as const;

const GIT_SECONDS = 300;

export type Run = (command: string, args: readonly string[], cwd?: string) => Promise<string>;

/**
 * Both repositories' manifests at the release's commits, kept in `cache`.
 * @throws {KubeflowError} without git or a network
 */
export async function fetchSources(
  release: KubeflowRelease,
  cache: string,
  options: { run?: Run; urls?: { pipelines: string; argo: string }; progress?: (line: string) => void } = {},
): Promise<Sources> {
  const { run = runCommand, progress = () => {} } = options;
  const commits = { pipelines: release.commit, argo: release.argo.commit };
  const folders = { pipelines: "", argo: "" };
  for (const key of ["pipelines", "argo"] as const) {
    const folder = join(cache, `${CHECKOUTS[key]}-${commits[key]}`);
    folders[key] = folder;
    if (existsSync(folder)) continue;
    const url = options.urls?.[key] ?? REPOSITORIES[key].url;
    progress(`fetching the manifests of ${CHECKOUTS[key]} from ${url}, once`);
    await checkOut(url, commits[key], REPOSITORIES[key], folder, run);
  }
  return folders;
}

/** The two checkouts in a folder that the user names. */
export function localSources(folder: string): Sources {
  const found = { pipelines: join(folder, CHECKOUTS.pipelines), argo: join(folder, CHECKOUTS.argo) };
  for (const key of ["pipelines", "argo"] as const) {
    if (existsSync(join(found[key], REPOSITORIES[key].folder))) continue;
    throw new KubeflowError(
      `${folder} is no folder of Kubeflow's manifests: it lacks ${CHECKOUTS[key]}/${REPOSITORIES[key].folder}; ` +
        `it must hold checkouts of ${REPOSITORIES.pipelines.url} and ${REPOSITORIES.argo.url}, as git clone names them`,
    );
  }
  return found;
}

async function checkOut(
  url: string,
  commit: string,
  part: { folder: string; files: readonly string[] },
  folder: string,
  run: Run,
): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}.part-`);
  const git = (...args: string[]) => run("git", ["-c", "core.autocrlf=false", ...args], work);
  try {
    await git("init", "--quiet");
    await git("remote", "add", "origin", url);
    // Only the commit, and of its files only those that are checked out; a server that cannot do that sends all.
    await git("fetch", "--quiet", "--depth", "1", "--filter=blob:none", "origin", commit);
    await git("config", "core.sparseCheckout", "true");
    mkdirSync(join(work, ".git", "info"), { recursive: true });
    writeFileSync(join(work, ".git", "info", "sparse-checkout"), `${part.files.join("\n")}\n`);
    await git("checkout", "--quiet", "--detach", commit);
    rmSync(join(work, ".git"), { recursive: true, force: true });
    if (!existsSync(join(work, part.folder)))
      throw new KubeflowError(`commit ${commit} of ${url} has no ${part.folder}`);
    if (!existsSync(folder)) renameSync(work, folder);
  } catch (error) {
    throw gitProblem(error, url);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const OTHER_WAY =
  "without a way there, put checkouts or a rendered file on this computer and name it: " +
  "kubeflow.manifests in mltraining's configuration, or ML_TRAINING_KUBEFLOW_MANIFESTS (docs/kubeflow.md)";

function gitProblem(error: unknown, url: string): Error {
  if (error instanceof KubeflowError) return error;
  if ((error as NodeJS.ErrnoException).code === "ENOENT") {
    return new KubeflowError(
      `git is not installed; Kubeflow's manifests come from ${url}; install git (https://git-scm.com); ${OTHER_WAY}`,
    );
  }
  return new KubeflowError(
    `Kubeflow's manifests cannot be fetched from ${url}: git said: ${lastLine(error)}; ${OTHER_WAY}`,
  );
}

/**
 * Renders one part with `kubectl kustomize`, offline: Argo's manifests, which Kubeflow's name by address, are taken from
 * the folder beside them. The sources stay as they are; what is rendered is a copy.
 * @returns YAML
 * @throws {KubeflowError} if a base is fetched from elsewhere, or kubectl fails
 */
export async function render(
  sources: Sources,
  release: KubeflowRelease,
  work: string,
  run: Run = runCommand,
): Promise<string> {
  const copy = { pipelines: join(work, "pipelines"), argo: join(work, "argo") };
  for (const key of ["pipelines", "argo"] as const) {
    const { folder } = REPOSITORIES[key];
    cpSync(join(sources[key], folder), join(copy[key], folder), { recursive: true });
  }
  const roots = PARTS.map((part) => join(copy.pipelines, REPOSITORIES.pipelines.folder, part));
  for (const root of roots) stayHome(root, copy.argo, release, new Set());
  const texts: string[] = [];
  for (const root of roots) {
    try {
      texts.push(await run("kubectl", ["kustomize", root]));
    } catch (error) {
      throw new KubeflowError(`kubectl cannot render Kubeflow's manifests: ${lastLine(error)}`);
    }
  }
  return texts.join("\n---\n");
}

const ARGO = /^(?:https:\/\/)?github\.com\/argoproj\/argo-workflows\/(manifests\/[^?]+)\?ref=([^&]+)(?:&.*)?$/;

/** Turns remote bases below `folder` into local ones. */
function stayHome(folder: string, argo: string, release: KubeflowRelease, seen: Set<string>): void {
  if (seen.has(folder)) return;
  seen.add(folder);
  const file = join(folder, "kustomization.yaml");
  if (!existsSync(file)) return;
  const content = parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  let changed = false;
  for (const key of ["resources", "bases", "components"]) {
    const entries = content[key];
    if (!Array.isArray(entries)) continue;
    content[key] = entries.map((entry: string) => {
      const [, path, ref] = ARGO.exec(entry) ?? [];
      if (path && ref === release.argo.version) {
        changed = true;
        const local = join(argo, path);
        stayHome(local, argo, release, seen);
        return relative(folder, local).split(sep).join("/");
      }
      if (/^[a-z+]+:\/\/|^git@|^github\.com\/|\?ref=/.test(entry)) {
        throw new KubeflowError(
          `Kubeflow's manifests name ${entry}, which is not part of release ${release.version} (Argo Workflows ${release.argo.version})`,
        );
      }
      stayHome(join(folder, entry), argo, release, seen);
      return entry;
    });
  }
  if (changed) writeFileSync(file, stringify(content));
}

/** The version of kustomize in the installed kubectl. */
export async function kustomizeVersion(run: Run = runCommand): Promise<string> {
  let answer: string;
  try {
    answer = await run("kubectl", ["version", "--client", "--output=json"]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new KubeflowError(`kubectl does not tell its version: ${lastLine(error)}`);
    }
    throw new KubeflowError(
      "kubectl is not installed; it renders Kubeflow's manifests and opens its pages; " +
        "install it: gcloud components install kubectl, or https://kubernetes.io/docs/tasks/tools/",
    );
  }
  const version = /"kustomizeVersion":\s*"v?(\d+\.\d+\.\d+)/.exec(answer)?.[1];
  if (!version)
    throw new KubeflowError("kubectl is too old: it does not tell which kustomize it has; take a newer one");
  return version;
}

/** Runs a command that reads nothing and asks nothing. */
export function runCommand(command: string, args: readonly string[], cwd?: string): Promise<string> {
  const env = { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "", LC_ALL: "C" };
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      [...args],
      { cwd, env, timeout: GIT_SECONDS * 1000, maxBuffer: 64 << 20, windowsHide: true },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        if (error.killed) error.message = `no answer in ${GIT_SECONDS} s`;
        reject(Object.assign(error, { stderr }));
      },
    );
    child.stdin?.end();
  });
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr || message).trim().split("\n").at(-1)?.trim() ?? "nothing";
}
