import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { type Config, ConfigError } from "../../components/config.ts";
import { DEFAULTS, KEYS, PRESETS } from "../../components/configSchema.ts";

import { json, problems, read } from "./settings.ts";

test("a project alone is enough, and everything else is a default", () => {
  assert.deepEqual(read(), {
    project: "my-project",
    environment: "mlt-dev",
    environmentByDefault: true,
    scope: "solo",
    foundation: undefined,
    students: [],
    frozen: [],
    student: undefined,
    preset: "default",
    region: "us-central1",
    bucket: { location: "us-central1", softDeleteDays: 7, noncurrentDays: 30, scratchDays: 14, retain: false },
    training: {
      regions: ["us-central1"],
      zones: ["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"],
      machineType: "e2-standard-4",
      guestAccelerators: [],
      onHostMaintenance: "TERMINATE",
      hasGpu: false,
      spot: true,
      maxHours: 8,
      maxRestarts: 5,
      checkpointSeconds: 30,
      fallbackToStandard: false,
      allowedMachineTypes: undefined,
      image: {
        project: "ubuntu-os-cloud",
        family: "ubuntu-2404-lts-amd64",
        known: { project: "ubuntu-os-cloud", gpu: false, architecture: "x86_64", supportedUntil: "2029-05-31" },
      },
      bootDiskGb: 50,
      bootDiskType: "pd-balanced",
    },
    runOnUp: undefined,
    workstation: undefined,
    imageFamily: undefined,
    labels: { app: "ml-training", "mlt-environment": "mlt-dev" },
    warnings: [],
    notes: [],
  });
});

test("without a project nothing starts, and the command that helps is told", () => {
  assert.deepEqual(problems({}), [
    "gcp:project is missing: the Google Cloud project to work in; set it with: pulumi config set gcp:project PROJECT",
  ]);
});

test("every problem is reported at once, under its key's own name", () => {
  assert.deepEqual(
    problems({
      "mltraining:enviroment": "x",
      "mltraining:scope": "duo",
      "mltraining:training": json({ maxHours: 0, machinetype: "e2-standard-4" }),
      "mltraining:bucket": json({ softDeleteDays: 3 }),
      "gcp:region": "us-centrall",
    }),
    [
      "mltraining:enviroment is not a setting; did you mean mltraining:environment?",
      "gcp:project is missing: the Google Cloud project to work in; set it with: pulumi config set gcp:project PROJECT",
      'mltraining:scope must be one of solo, foundation, student; got "duo"',
      'gcp:region names no region of Google\'s; did you mean us-central1?; got "us-centrall"',
      "mltraining:training.maxHours must be at least 0.1; got 0",
      "mltraining:training.machinetype is not a setting; did you mean machineType?",
      "mltraining:bucket.softDeleteDays must be 0 (off) or 7 to 90, the days that Google allows; got 3",
    ],
  );
});

test("the error is one text that says that nothing was changed", () => {
  assert.equal(new ConfigError(["a", "b"]).message, "The configuration has 2 problems; nothing was changed.\n  a\n  b");
  assert.equal(new ConfigError(["a"]).message, "The configuration has 1 problem; nothing was changed.\n  a");
});

test("a preset changes defaults, and any key overrides it", () => {
  const course = read({ "mltraining:preset": "course" });
  assert.equal(course.training?.maxHours, PRESETS.course.training.maxHours);
  assert.deepEqual(course.training?.allowedMachineTypes, PRESETS.course.training.allowedMachineTypes);
  assert.equal(course.bucket.noncurrentDays, 14);
  assert.equal(course.bucket.scratchDays, DEFAULTS.bucket.scratchDays);
  const more = read({ "mltraining:preset": "course", "mltraining:training": json({ maxHours: 5 }) });
  assert.equal(more.training?.maxHours, 5);
  assert.equal(more.training?.maxRestarts, PRESETS.course.training.maxRestarts);
  const trial = read({ "mltraining:preset": "freeTrial", "mltraining:bucket": json({ softDeleteDays: 7 }) });
  assert.equal(trial.training?.machineType, "e2-standard-2");
  assert.equal(trial.bucket.softDeleteDays, 7);
});

test("a preset's ceiling makes room for the stack's own machine type", () => {
  const config = read({ "mltraining:preset": "course", "mltraining:training": json({ machineType: "c2-standard-8" }) });
  assert.deepEqual(config.training?.allowedMachineTypes, [
    ...PRESETS.course.training.allowedMachineTypes,
    "c2-standard-8",
  ]);
});

test("zones alone decide the regions, and the first is the environment's own", () => {
  const config = read({ "mltraining:training": json({ zones: ["europe-west4-b", "us-east1-c", "europe-west4-a"] }) });
  assert.deepEqual(config.training?.regions, ["europe-west4", "us-east1"]);
  assert.deepEqual(config.training?.zones, ["europe-west4-b", "us-east1-c", "europe-west4-a"]);
  assert.equal(config.region, "europe-west4");
  assert.equal(config.bucket.location, "europe-west4");
});

test("a GPU leaves out the zones that lack it", () => {
  const config = read({ "mltraining:training": json({ machineType: "g2-standard-4" }) });
  assert.deepEqual(config.training?.zones, ["us-central1-a", "us-central1-b", "us-central1-c"]);
  assert.equal(config.training?.hasGpu, true);
  assert.deepEqual(config.warnings, [
    "mltraining:training.image: ubuntu-2404-lts-amd64 has no NVIDIA driver, but g2-standard-4 has a GPU; common-cu129-ubuntu-2404-nvidia-580 has one",
  ]);
});

test("a machine type newer than the catalog is a warning", () => {
  const config = read({ "mltraining:training": json({ machineType: "n9-standard-4" }) });
  assert.deepEqual(config.warnings, [
    "mltraining:training.machineType: n9-standard-4 is not in this program's catalog: it may be newer, and is passed on unchecked; did you mean n1-standard-4?",
  ]);
});

test("images: family of the catalog, exact name, own family, family past its end", () => {
  const image = (text: string): Config["training"] => read({ "mltraining:training": json({ image: text }) }).training;
  assert.deepEqual(image("projects/p-12345/global/images/img-1")?.image, { project: "p-12345", name: "img-1" });
  assert.deepEqual(image("projects/p-12345/global/images/family/fam")?.image, { project: "p-12345", family: "fam" });
  assert.deepEqual(image("my-family")?.image, { project: "my-project", family: "my-family" });
  assert.equal(image("debian-13")?.image.project, "debian-cloud");
  assert.deepEqual(
    problems({
      "gcp:project": "my-project",
      "mltraining:training": json({ image: "common-cu128-ubuntu-2204-nvidia-570", machineType: "g2-standard-4" }),
    }),
    [
      "mltraining:training.image must not be common-cu128-ubuntu-2204-nvidia-570: it has had no security updates since 2026-04-13; take common-cu129-ubuntu-2404-nvidia-580",
    ],
  );
});

test("training can be switched off", () => {
  const config = read({ "mltraining:training": json({ enabled: false }) });
  assert.equal(config.training, undefined);
  assert.equal(config.region, "us-central1");
});

test("students are sorted and kept by name", () => {
  const config = read({ "mltraining:scope": "foundation", "mltraining:students": json(["mlt-bob", "mlt-ann"]) });
  assert.deepEqual(config.students, ["mlt-ann", "mlt-bob"]);
});

test("empty values mean the default, as Pulumi.yaml gives them", () => {
  const schema = parse(readFileSync(new URL("../../Pulumi.yaml", import.meta.url), "utf8")) as {
    name: string;
    config: Record<string, { type?: string; description?: string; default?: unknown }>;
  };
  // Pulumi lets only the project's own keys have a type and a default, so the project bears the keys' name.
  assert.equal(schema.name, "mltraining");
  assert.deepEqual(Object.keys(schema.config).sort(), [...KEYS].sort());
  const defaults: Record<string, string> = {};
  for (const [key, entry] of Object.entries(schema.config)) {
    // What is false, true, or an object, a list or a text besides, no type of Pulumi's covers.
    const typed = ["workstation", "kubeflow", "courseData", "frozen"].includes(key)
      ? entry.type === undefined
      : entry.type !== undefined;
    assert.ok(typed && entry.description && entry.default !== undefined, `${key} lacks type, description or default`);
    defaults[`mltraining:${key}`] = typeof entry.default === "string" ? entry.default : json(entry.default);
  }
  assert.deepEqual(read(defaults), read());
});
