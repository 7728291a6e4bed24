import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { stringify } from "yaml";
import { KUBEFLOW_RELEASES, type KubeflowRelease } from "../../catalog/kubeflow.ts";
import { canonicalHash, canonicalJson } from "../../kubeflow/canonical.ts";
import { fetchSources, type Run, render, runCommand } from "../../kubeflow/manifestSources.ts";
import { parseObjects, readManifests, releaseOf } from "../../kubeflow/manifests.ts";
import { KubeflowError } from "../../kubeflow/problem.ts";
import { RELEASE, samples } from "./samples.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "mlt-manifests-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function write(root: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), text);
  }
}

const KUSTOMIZATION = "kustomization.yaml";
const map = (name: string) => stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });

/** Two repositories shaped as the real ones: one names the other's manifests by address. */
const PIPELINES = {
  "manifests/kustomize/cluster-scoped-resources/kustomization.yaml": "resources:\n- wide.yaml\n",
  "manifests/kustomize/cluster-scoped-resources/wide.yaml": map("wide"),
  "manifests/kustomize/env/platform-agnostic/kustomization.yaml":
    "namespace: kubeflow\nresources:\n- ../../third-party/argo\n",
  "manifests/kustomize/third-party/argo/kustomization.yaml":
    "resources:\n- https://github.com/argoproj/argo-workflows/manifests/base/controller?ref=v9.9.9&timeout=60s\n",
  "README.md": "not taken\n",
};
const ARGO = {
  "manifests/base/controller/kustomization.yaml": "resources:\n- controller.yaml\n",
  "manifests/base/controller/controller.yaml": map("controller"),
  "manifests/base/crds/full/large.yaml": map("large"),
};

function repository(root: string, files: Record<string, string>): { url: string; commit: string } {
  write(root, files);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.test", ...args], {
      cwd: root,
      encoding: "utf8",
    });
  git("init", "--quiet", "--initial-branch=main");
  git("config", "uploadpack.allowFilter", "true");
  git("config", "uploadpack.allowAnySHA1InWant", "true");
  git("add", ".");
  git("commit", "--quiet", "-m", "first");
  const commit = git("rev-parse", "HEAD").trim();
  // The commit that is wanted is no branch's newest.
  write(root, { "later.txt": "later\n" });
  git("add", ".");
  git("commit", "--quiet", "-m", "second");
  return { url: `file://${root}`, commit };
}

/** kubectl as far as it is asked here: its version, and the files that a kustomization names. */
function fakeKubectl(version = "v5.5.0"): Run {
  const build = (path: string): string[] => {
    const text = readFileSync(join(path, KUSTOMIZATION), "utf8");
    return [...text.matchAll(/^\s*- (.+)$/gm)].flatMap(([, entry = ""]) =>
      entry.endsWith(".yaml") ? [readFileSync(join(path, entry), "utf8")] : build(join(path, entry)),
    );
  };
  return async (command, args, cwd) => {
    if (command !== "kubectl") return runCommand(command, args, cwd);
    if (args[0] === "version") return JSON.stringify({ clientVersion: {}, kustomizeVersion: version });
    return build(args[1] ?? "").join("---\n");
  };
}

test("sources are fetched by commit, once, and rendered without a network", async (t) => {
  const root = folder(t);
  const [pipelines, argo] = [repository(join(root, "p"), PIPELINES), repository(join(root, "a"), ARGO)];
  const release: KubeflowRelease = {
    ...RELEASE,
    commit: pipelines.commit,
    argo: { version: "v9.9.9", commit: argo.commit },
  };
  const said: string[] = [];
  const options = { urls: { pipelines: pipelines.url, argo: argo.url }, progress: (line: string) => said.push(line) };
  const cache = join(root, "cache");
  const sources = await fetchSources(release, cache, options);
  assert.equal(said.length, 2);
  assert.deepEqual(readdirSync(sources.pipelines), ["manifests"]);
  assert.deepEqual(readdirSync(join(sources.argo, "manifests", "base")), ["controller"]);
  // A second time nothing is asked, not even git.
  const none: Run = () => Promise.reject(new Error("nothing should run"));
  assert.deepEqual(await fetchSources(release, cache, { ...options, run: none }), sources);
  assert.deepEqual(readdirSync(cache).length, 2);

  const before = readFileSync(join(sources.pipelines, "manifests/kustomize/third-party/argo", KUSTOMIZATION), "utf8");
  const text = await render(sources, release, join(root, "work"), fakeKubectl());
  assert.deepEqual(
    parseObjects(text, "here").map(({ metadata }) => metadata.name),
    ["wide", "controller"],
  );
  const after = readFileSync(join(sources.pipelines, "manifests/kustomize/third-party/argo", KUSTOMIZATION), "utf8");
  assert.equal(after, before);
});

test("a base from elsewhere, or of another release, is refused before anything is rendered", async (t) => {
  const root = folder(t);
  for (const base of [
    "https://github.com/argoproj/argo-workflows/manifests/base/controller?ref=v9.9.8",
    "github.com/someone/else//base?ref=v1",
    "https://example.test/all.yaml",
    "git@github.com:someone/else.git",
  ]) {
    rmSync(join(root, "s"), { recursive: true, force: true });
    write(join(root, "s", "p"), {
      ...PIPELINES,
      "manifests/kustomize/third-party/argo/kustomization.yaml": `resources:\n- ${base}\n`,
    });
    write(join(root, "s", "a"), ARGO);
    const sources = { pipelines: join(root, "s", "p"), argo: join(root, "s", "a") };
    await assert.rejects(render(sources, RELEASE, join(root, "s", "work"), fakeKubectl()), {
      message: `Kubeflow's manifests name ${base}, which is not part of release 9.9.9 (Argo Workflows v9.9.9)`,
    });
  }
});

/** `readManifests` for the release of the samples, which the catalog does not have. */
async function withSamples<T>(t: TestContext, work: () => Promise<T>): Promise<T> {
  const releases = KUBEFLOW_RELEASES as Record<string, KubeflowRelease>;
  releases["9.9.9"] = RELEASE;
  t.after(() => {
    delete releases["9.9.9"];
  });
  return work();
}

test("a named file is taken, and told if it is another release's", async (t) => {
  const file = join(folder(t), "all.yaml");
  await withSamples(t, async () => {
    writeFileSync(
      file,
      samples()
        .map((object) => stringify(object))
        .join("---\n"),
    );
    const same = await readManifests({ version: "9.9.9", from: file });
    assert.deepEqual(same.warnings, []);
    assert.deepEqual(same.objects, samples());

    const fewer = samples().slice(1);
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: fewer }));
    process.env.ML_TRAINING_KUBEFLOW_MANIFESTS = file;
    t.after(() => {
      delete process.env.ML_TRAINING_KUBEFLOW_MANIFESTS;
    });
    const other = await readManifests({ version: "9.9.9" });
    assert.deepEqual(other.warnings, [
      `the manifests at ${file} are not those of Kubeflow Pipelines 9.9.9 that this program was made for: SHA-256 ${canonicalHash(fewer)} of ${fewer.length} objects, expected ${RELEASE.rendered.sha256} of ${samples().length}; they are used as they are`,
    ]);
  });
});

test("a named folder holds both checkouts, or is told what it lacks", async (t) => {
  const root = folder(t);
  await withSamples(t, async () => {
    write(join(root, "pipelines"), PIPELINES);
    await assert.rejects(readManifests({ version: "9.9.9", from: root, run: fakeKubectl() }), {
      message:
        `${root} is no folder of Kubeflow's manifests: it lacks argo-workflows/manifests; it must hold checkouts of ` +
        "https://github.com/kubeflow/pipelines and https://github.com/argoproj/argo-workflows, as git clone names them",
    });
    write(join(root, "argo-workflows"), ARGO);
    const { objects, warnings } = await readManifests({ version: "9.9.9", from: root, run: fakeKubectl() });
    assert.equal(objects.length, 2);
    assert.equal(warnings.length, 1);
    const missing = join(root, "missing");
    await assert.rejects(readManifests({ version: "9.9.9", from: missing }), {
      message: `there are no manifests of Kubeflow at ${missing}`,
    });
  });
});

test("what was rendered is kept and read again; what was tampered with is made anew", async (t) => {
  const root = folder(t);
  await withSamples(t, async () => {
    const kept = join(root, "rendered-9.9.9-111111111111.json");
    const wish = { version: "9.9.9", cache: root, run: (() => Promise.reject(new Error("asked"))) as Run };
    writeFileSync(kept, canonicalJson(samples()));
    const { objects } = await readManifests(wish);
    assert.equal(canonicalHash(objects), RELEASE.rendered.sha256);
    writeFileSync(kept, canonicalJson(samples().slice(1)));
    await assert.rejects(readManifests(wish), { message: "kubectl does not tell its version: asked" });
    writeFileSync(kept, "[");
    await assert.rejects(readManifests(wish), { message: "kubectl does not tell its version: asked" });
  });
});

test("what is rendered otherwise than expected is refused, and how to go on is said", async (t) => {
  const root = folder(t);
  const [pipelines, argo] = [repository(join(root, "p"), PIPELINES), repository(join(root, "a"), ARGO)];
  const releases = KUBEFLOW_RELEASES as Record<string, KubeflowRelease>;
  const release = { ...RELEASE, commit: pipelines.commit, argo: { version: "v9.9.9", commit: argo.commit } };
  releases["9.9.9"] = release;
  t.after(() => {
    delete releases["9.9.9"];
  });
  const cache = join(root, "cache");
  const urls = { pipelines: pipelines.url, argo: argo.url };
  const error = await readManifests({ version: "9.9.9", cache, urls, run: fakeKubectl("v5.4.0") }).catch(
    (it: Error) => it,
  );
  assert.ok(error instanceof KubeflowError);
  assert.match(
    error.message,
    /^Kubeflow Pipelines 9\.9\.9 renders differently here: SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}; its sources are the right ones, so it is kubectl's kustomize 5\.4\.0 \(known to agree: 5\.0\.1, .*\); take such a kubectl, or render it yourself, read it, and name the file: kubeflow\.manifests in mltraining's configuration \(docs\/kubeflow\.md\)$/,
  );
  // With the right hash it is kept.
  const [found] = /[0-9a-f]{64}/.exec(error.message) ?? [];
  releases["9.9.9"] = { ...release, rendered: { sha256: String(found), objects: 2 } };
  const { objects, warnings } = await readManifests({ version: "9.9.9", cache, urls, run: fakeKubectl() });
  assert.deepEqual([objects.length, warnings], [2, []]);
  const none: Run = () => Promise.reject(new Error("nothing should run"));
  assert.equal((await readManifests({ version: "9.9.9", cache, urls, run: none })).objects.length, 2);
});

const OTHER_WAY =
  "without a way there, put checkouts or a rendered file on this computer and name it: kubeflow.manifests in mltraining's configuration, or ML_TRAINING_KUBEFLOW_MANIFESTS (docs/kubeflow.md)";

test("what is missing on the computer is named", async (t) => {
  const cache = folder(t);
  const missing =
    (name: string, then: Run = fakeKubectl()): Run =>
    (command, args, cwd) =>
      command === name
        ? Promise.reject(Object.assign(new Error("spawn"), { code: "ENOENT" }))
        : then(command, args, cwd);
  await assert.rejects(readManifests({ cache, run: missing("kubectl") }), {
    message:
      "kubectl is not installed; it renders Kubeflow's manifests and opens its pages; install it: gcloud components install kubectl, or https://kubernetes.io/docs/tasks/tools/",
  });
  await assert.rejects(readManifests({ cache, run: fakeKubectl("v4.5.7") }), {
    message:
      "kubectl is too old: it renders with kustomize 4.5.7, and Kubeflow's manifests need 5.0.1 or newer (kubectl 1.27); update it: gcloud components update, or https://kubernetes.io/docs/tasks/tools/",
  });
  await assert.rejects(readManifests({ cache, run: missing("git") }), {
    message: `git is not installed; Kubeflow's manifests come from https://github.com/kubeflow/pipelines; install git (https://git-scm.com); ${OTHER_WAY}`,
  });
  const gone = `file://${join(cache, "gone")}`;
  await assert.rejects(
    readManifests({ cache, run: fakeKubectl(), urls: { pipelines: gone, argo: gone } }),
    (error: Error) => {
      assert.match(
        error.message,
        /^Kubeflow's manifests cannot be fetched from file:.*gone: git said: .+; without a way there/,
      );
      return error instanceof KubeflowError;
    },
  );
  // Nothing half is left behind.
  assert.deepEqual(readdirSync(cache), []);
});

test("a program that waits for an answer ends, and its own words are told", async (t) => {
  const script = join(folder(t), "fails");
  writeFileSync(script, "#!/bin/sh\ncat\necho first >&2\necho the reason >&2\nexit 3\n");
  chmodSync(script, 0o755);
  const error = await runCommand(script, []).catch((it: Error & { stderr: string }) => it);
  assert.ok(error instanceof Error);
  assert.equal((error as { stderr: string }).stderr, "first\nthe reason\n");
});

test("releases are those of the catalog", () => {
  assert.equal(releaseOf().version, "2.17.0");
  assert.throws(() => releaseOf("v2.17.0"), {
    message: 'there is no release "v2.17.0" of Kubeflow Pipelines that this program knows; did you mean 2.17.0?',
  });
  assert.throws(() => releaseOf("master"), {
    message: 'there is no release "master" of Kubeflow Pipelines that this program knows; those are 2.17.0',
  });
  for (const [version, { commit, argo, rendered, images }] of Object.entries(KUBEFLOW_RELEASES)) {
    for (const id of [commit, argo.commit]) assert.match(id, /^[0-9a-f]{40}$/, version);
    assert.match(rendered.sha256, /^[0-9a-f]{64}$/);
    const names = images.map(({ pinned }) => pinned);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[a-z0-9.]+\.[a-z]+\/.+:v?\d+\.\d+/);
  }
});

test("what is no object is named by its place", () => {
  const bad: [string, string][] = [
    ["a: [", "x is not valid YAML: "],
    ["{", "x is not valid JSON: "],
    ["", "x holds no Kubernetes objects"],
    ["kind: Pod\n", "x: document 1 is no Kubernetes object (apiVersion, kind, metadata.name)"],
    [`${map("a")}---\n${map("a")}`, "x holds ConfigMap a twice"],
    ["- 1\n", "x: document 1 is no Kubernetes object (apiVersion, kind, metadata.name)"],
  ];
  for (const [text, message] of bad) {
    assert.throws(
      () => parseObjects(text, "x"),
      (error: Error) => error instanceof KubeflowError && error.message.startsWith(message),
    );
  }
});

test("the canonical form does not depend on order", () => {
  const turned = samples()
    .reverse()
    .map((object) => Object.fromEntries(Object.entries(object).reverse()) as typeof object);
  assert.equal(canonicalJson(turned), canonicalJson(samples()));
  const [first, ...others] = samples();
  assert.ok(first);
  assert.notEqual(canonicalHash([{ ...first, spec: {} }, ...others]), RELEASE.rendered.sha256);
});
