import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  type BuildState,
  buildImage,
  listFamily,
  promoteImage,
  prune,
  removeFamily,
  rollbackFamily,
  testImage,
} from "../../images/index.ts";
import { createImageWorld, DATA, GOOD, type ImageWorld, withStep } from "./world.ts";

// The library against the real local cloud; machines are processes that run the real startup script.

let world: ImageWorld;

before(async () => {
  world = await createImageWorld();
});
after(() => world?.close());

test("build, unchanged, change, rollback, promotion, test again, prune, the family's end", {
  timeout: 120_000,
}, async () => {
  const environment = world.family("whole-life");
  const { family, project } = environment.imageFamily;
  const options = { limits: world.limits, cloud: world.images };
  const current = async () => (await world.images.fromFamily(project, family))?.name;
  const standings = async () =>
    Object.fromEntries((await listFamily(world.images, environment)).map(({ name, standing }) => [name, standing]));

  const lines: string[] = [];
  const logged: string[] = [];
  const one = world.recipe("one", withStep("#!/bin/sh\necho the step runs\n"));
  const first = await buildImage(environment, one, {
    ...options,
    progress: (line) => lines.push(line),
    onLog: (text) => logged.push(text),
  });
  assert.equal(first.outcome, "promoted", lines.join("\n"));
  assert.equal(await current(), first.image);
  assert.match(logged.join(""), /step step\.sh\nthe step runs\n/);
  assert.match(logged.join(""), /the smoke test has passed/);
  assert.deepEqual(await world.left(), []);

  const { value: state } = (await environment.objects.readJson<BuildState>(DATA, `images/${first.build}/state.json`))!;
  assert.deepEqual([state.step, state.cleaned, state.base.name], ["promoted", true, "ubuntu-2404-lts-amd64-v20261110"]);
  assert.deepEqual(Object.keys(state.built?.traces ?? {}), ["machine-id"]);
  const image = (await world.images.image(project, first.image))!;
  const { readFile } = await import("node:fs/promises");
  const layer = `${world.folder}/cloud/images/${image.id}/root`;
  assert.equal(await readFile(`${layer}/etc/machine-id`, "utf8"), "");
  for (const path of ["opt/ml-training-build", "var/lib/ml-training-image"])
    assert.ok(!existsSync(`${layer}/${path}`), path);
  assert.equal(JSON.parse(await readFile(`${layer}/opt/ml-training-image/image.json`, "utf8")).build, first.build);
  assert.match((await environment.objects.read(DATA, `images/${first.build}/log.txt`))!.data.toString(), /apt: htop/);

  const inserts = () => world.compute<{ items?: { operationType: string }[] }>("global/operations");
  const before = (await inserts()).items?.length;
  assert.deepEqual(await buildImage(environment, one, options), {
    outcome: "unchanged",
    family,
    image: first.image,
    base: "ubuntu-2404-lts-amd64-v20261110",
    recipe: first.recipe,
  });
  assert.equal((await inserts()).items?.length, before, "nothing was asked for");

  const two = world.recipe("one", withStep("#!/bin/sh\necho another step\n"));
  const kept = await buildImage(environment, two, { ...options, promote: false });
  assert.equal(kept.outcome, "kept");
  assert.equal(await current(), first.image);
  assert.deepEqual(await standings(), { [first.image]: "current", [kept.image]: "candidate" });
  const promoted = await promoteImage(environment, kept.image, options);
  assert.deepEqual(promoted, { family, image: kept.image, previous: first.image, deprecated: [] });

  const broken = world.recipe("broken", { "image.yaml": GOOD.replace("exit 0", "echo no pandas; exit 3") });
  await assert.rejects(buildImage(environment, broken, options), (error: Error) => {
    const [, build] = /^The build (whole-life-\d{14}-[0-9a-f]{4}) failed/.exec(error.message) ?? [];
    assert.equal(
      error.message,
      `The build ${build} failed: smoke test failed: exit 3 (no pandas)\nThe family whole-life is as it was; the log: mlt fetch images/${build}/log.txt .`,
    );
    return true;
  });
  assert.equal(await current(), kept.image);
  assert.deepEqual(await standings(), { [kept.image]: "current", [first.image]: "older" });

  assert.deepEqual(await rollbackFamily(environment, undefined, options), {
    family,
    image: first.image,
    previous: kept.image,
    deprecated: [kept.image],
  });
  assert.equal(await current(), first.image);
  assert.deepEqual(await standings(), { [kept.image]: "deprecated", [first.image]: "current" });
  const rolled = await world.compute<{ deprecated: { state: string; replacement: string } }>(
    `global/images/${kept.image}`,
  );
  assert.equal(rolled.deprecated.state, "DEPRECATED");
  assert.match(rolled.deprecated.replacement, new RegExp(`/${first.image}$`));
  await assert.rejects(rollbackFamily(environment, undefined, options), {
    message: `The family whole-life has no image before ${first.image}. mlt image list shows all there are.`,
  });

  // Forward again: the newest needs nothing but to be active.
  assert.deepEqual((await promoteImage(environment, "latest", options)).image, kept.image);
  assert.equal(await current(), kept.image);
  await assert.rejects(promoteImage(environment, first.image, options), {
    message: `${first.image} is older than ${kept.image}: a family names its newest image, so promoting this one would change nothing. To mark the newer ones as deprecated: mlt image promote ${first.image} --deprecate-newer`,
  });
  assert.equal(await current(), kept.image);

  assert.deepEqual(await testImage(environment, first.image, options), { image: first.image, passed: true });
  const third = await buildImage(environment, one, { ...options, force: true });
  const pruned = await prune(environment, 1, options);
  assert.deepEqual(pruned, {
    removed: [first.image],
    kept: [
      { name: third.image, why: "the current one" },
      { name: kept.image, why: "the one before" },
    ],
  });
  assert.deepEqual(await standings(), { [third.image]: "current", [kept.image]: "older" });

  const end = await removeFamily(environment, options);
  assert.deepEqual(end.images.sort(), [third.image, kept.image].sort());
  assert.equal(await current(), undefined);
  assert.deepEqual(await world.left(), []);
  assert.equal(await environment.objects.read(DATA, "images/lock-whole-life.json"), undefined);
});

test("two builds at once: the second stops with the first's id, or waits and finds it done", {
  timeout: 60_000,
}, async () => {
  const environment = world.family("two-at-once");
  const options = { limits: world.limits, cloud: world.images };
  const folder = world.recipe("slow", withStep("#!/bin/sh\nsleep 3\n"));
  const first = buildImage(environment, folder, options);
  while (!(await environment.objects.read(DATA, "images/lock-two-at-once.json"))?.data.includes('"build"')) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said: string[] = [];
  const second = buildImage(environment, folder, { ...options, wait: true, progress: (line) => said.push(line) });
  await assert.rejects(buildImage(environment, folder, options), (error: Error & { exitCode: number }) => {
    assert.match(
      error.message,
      /^the build two-at-once-\d{14}-[0-9a-f]{4} is under way \(\S+, since \S+\); one at a time can work on the family two-at-once\. Wait for it with --wait, or see what is there: mlt image list$/,
    );
    assert.equal(error.exitCode, 75);
    return true;
  });
  const [one, two] = await Promise.all([first, second]);
  assert.deepEqual([one.outcome, two.outcome, two.image], ["promoted", "unchanged", one.image]);
  assert.match(said[0] ?? "", /is under way .*: waiting$/);
  assert.equal((await listFamily(world.images, environment)).length, 1);
});

test("only this environment's images are ours: a family that holds another's is refused, and theirs stay", async () => {
  const environment = world.family("taken");
  const image = {
    name: "taken-by-others",
    family: "taken",
    sourceImage: "projects/debian-cloud/global/images/family/debian-12",
  };
  await world.compute("global/images", "POST", image);
  await assert.rejects(buildImage(environment, world.recipe("mine"), { limits: world.limits, cloud: world.images }), {
    message:
      /\(1 problem\):\n {2}- the family taken holds images in local-project that are not this environment's: taken-by-others\. Choose another name: pulumi config set --path mltraining:imageFamily\.family NAME$/,
  });
  assert.deepEqual(await removeFamily(environment, { limits: world.limits, cloud: world.images }), {
    machines: [],
    disks: [],
    images: [],
  });
  assert.ok(await world.images.image("local-project", "taken-by-others"));
});

test("what a build may not be: every problem at once, and nothing is made", async () => {
  const folder = world.recipe("wrong", {
    "image.yaml": `base: common-cu128-ubuntu-2204-nvidia-570
apt: [htop, 'rm -rf']
steps: [{file: no.sh, sha256: "${"0".repeat(64)}"}]
`,
    "requirements.txt": "pandas\n",
  });
  const { imageFamily } = world.environment;
  const environment = {
    ...world.environment,
    imageFamily: { ...imageFamily, family: "wrong", machineType: "e2-standard-3", baseProjects: [] },
  };
  await assert.rejects(buildImage(environment, folder, { limits: world.limits, cloud: world.images }), {
    message: [
      `The image recipe ${folder} cannot be used (5 problems):`,
      '  - image.yaml line 2: apt.1 must be the name of a Debian package, with =VERSION if you like; got "rm -rf"',
      "  - image.yaml: `smokeTest` is missing: the command that proves on a fresh machine that the image is good, such as [python, smoke.py]. Without one nothing would keep a broken image out of the family",
      '  - requirements.txt line 1: "pandas" is not pinned to one version; lock it: `uv pip compile --generate-hashes requirements.in -o requirements.txt` (or pip-compile --generate-hashes)',
      "  - base common-cu128-ubuntu-2204-nvidia-570 has had no security updates since 2026-04-13; take common-cu129-ubuntu-2404-nvidia-580",
      "  - the builder's machine type there is no machine type e2-standard-3; the nearest are e2-standard-4, e2-standard-2, e2-standard-8",
    ].join("\n"),
  });
  const objects = await environment.objects.list(DATA, { prefix: "images/wrong" });
  assert.deepEqual(objects.objects, []);
});

for (const [what, text, message] of [
  [
    "gone",
    "projects/debian-cloud/global/images/debian-12-v19990101",
    "base projects/debian-cloud/global/images/debian-12-v19990101: there is no image debian-12-v19990101 in the project debian-cloud (any more); gcloud compute images list --project debian-cloud",
  ],
  [
    "of a family that is not there",
    "ubuntu-2404-lts-amd6",
    "base ubuntu-2404-lts-amd6: the family ubuntu-2404-lts-amd6 names no image in the project local-project (any more); did you mean ubuntu-2404-lts-amd64?",
  ],
  [
    "from a project that is not on the list",
    "projects/somebody/global/images/family/best",
    "base: images of the project somebody are not allowed here; allowed: debian-cloud, deeplearning-platform-release, ubuntu-os-cloud, local-project. If you trust it: pulumi config set --path 'mltraining:imageFamily.baseProjects[0]' somebody",
  ],
  [
    "withdrawn by Google",
    "tf2-latest-gpu",
    "base must not be tf2-latest-gpu: Google has withdrawn all TensorFlow images; take ubuntu-2404-lts-amd64 or common-cu129-ubuntu-2404-nvidia-580",
  ],
] as const) {
  test(`a base image ${what} is refused with what to do`, async () => {
    const folder = world.recipe("base", { "image.yaml": GOOD.replace("ubuntu-2404-lts-amd64", text) });
    await assert.rejects(buildImage(world.family("based"), folder, { limits: world.limits, cloud: world.images }), {
      message: `The image recipe ${folder} cannot be used (1 problem):\n  - ${message}`,
    });
  });
}
