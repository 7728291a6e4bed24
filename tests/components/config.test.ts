import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { type Config, ConfigError, parseConfig } from "../../components/config.ts";
import { DEFAULTS, KEYS, PRESETS } from "../../components/configSchema.ts";

const PROJECT = { "gcp:project": "my-project" };
const json = (value: unknown): string => JSON.stringify(value);

function read(settings: Record<string, string> = {}, stack = "dev"): Config {
  return parseConfig({ ...PROJECT, ...settings }, stack);
}

function problems(settings: Record<string, string>, stack = "dev"): string[] {
  try {
    parseConfig(settings, stack);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

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

/** Bad values of members, each with what the message must say. */
const BAD_TRAINING: [string, unknown, RegExp][] = [
  ["enabled", "no", /^mltraining:training\.enabled must be true or false; got "no"$/],
  ["enabled", "false", /^mltraining:training\.enabled must be true or false; got "false" \(leave the quotes away\)$/],
  ["spot", 1, /^mltraining:training\.spot must be true or false; got 1$/],
  ["spot", "true", /leave the quotes away/],
  ["spot", null, /^mltraining:training\.spot must be true or false; got null$/],
  ["maxHours", 0.05, /^mltraining:training\.maxHours must be at least 0\.1; got 0\.05$/],
  ["maxHours", -1, /must be at least 0\.1; got -1$/],
  ["maxHours", 2881, /^mltraining:training\.maxHours must be at most 2880; got 2881$/],
  ["maxHours", "4", /^mltraining:training\.maxHours must be a number; got "4" \(leave the quotes away\)$/],
  ["maxHours", [4], /must be a number; got \[4\]$/],
  ["maxRestarts", -1, /must be at least 0; got -1$/],
  ["maxRestarts", 100, /must be at most 99; got 100$/],
  ["maxRestarts", 1.5, /must be a whole number; got 1\.5$/],
  ["checkpointSeconds", 4, /^mltraining:training\.checkpointSeconds must be at least 5; got 4$/],
  ["checkpointSeconds", 86401, /must be at most 86400; got 86401$/],
  ["checkpointSeconds", 30.5, /must be a whole number; got 30\.5$/],
  [
    "checkpointSeconds",
    30000,
    /^mltraining:training\.checkpointSeconds must not be over maxHours \(8 h\): no checkpoint would ever be made; got 30000$/,
  ],
  ["fallbackToStandard", "yes", /^mltraining:training\.fallbackToStandard must be true or false; got "yes"$/],
  ["bootDiskGb", 9, /must be at least 10; got 9$/],
  ["bootDiskGb", 65537, /must be at most 65536; got 65537$/],
  ["bootDiskGb", 20.5, /must be a whole number; got 20\.5$/],
  ["regions", [], /^mltraining:training\.regions must hold at least 1 of them; got \[\]$/],
  ["regions", "us-central1", /^mltraining:training\.regions must be a list; got "us-central1"$/],
  [
    "regions",
    ["us-central9"],
    /^mltraining:training\.regions\[0\] names no region of Google's; did you mean us-central1\?; got "us-central9"$/,
  ],
  ["regions", ["us-central1", "us-central1"], /^mltraining:training\.regions\[1\] is there twice: us-central1$/],
  ["regions", [1], /^mltraining:training\.regions\[0\] must be a text; got 1$/],
  ["zones", [], /must hold at least 1/],
  [
    "zones",
    ["us-central1-d"],
    /^mltraining:training\.zones\[0\] names no zone of Google's; the nearest: us-central1-a, us-central1-b, us-central1-c, us-central1-f; got "us-central1-d"$/,
  ],
  ["zones", ["us-central1"], /names no zone of Google's/],
  ["zones", ["us-centrall-a"], /names no zone of Google's; the nearest: us-central1-a; got "us-centrall-a"$/],
  ["zones", ["us-east1-b", "us-east1-b"], /^mltraining:training\.zones\[1\] is there twice: us-east1-b$/],
  [
    "machineType",
    "e2-standard-3",
    /^mltraining:training\.machineType: there is no machine type e2-standard-3; the nearest are e2-standard-4/,
  ],
  ["machineType", "n2-custom-7-8192", /cannot have 7 vCPUs/],
  ["machineType", "a4x-highgpu-4g", /sold by reservation only/],
  ["machineType", 4, /^mltraining:training\.machineType must be a text; got 4$/],
  ["machineType", "large", /must be the name of a machine type/],
  [
    "machineType",
    "t2a-standard-4",
    /^mltraining:training\.image ubuntu-2404-lts-amd64 is for x86_64, but t2a-standard-4 is arm64; take ubuntu-2404-lts-arm64$/,
  ],
  ["gpu", "nvidia-tesla-t4", /^mltraining:training\.gpu must be a structure with members; got "nvidia-tesla-t4"$/],
  ["gpu", { type: "nvidia-tesla-t4" }, /can be attached to N1 machines only/],
  ["gpu", { type: "nvidia-tesla-t4", count: 3 }, /^mltraining:training\.gpu\.count must be 1, 2, 4 or 8; got 3$/],
  ["gpu", { type: "nvidia-tesla-t4", kind: "t4" }, /mltraining:training\.gpu\.kind is not a setting/],
  ["gpu", { count: 1 }, /^mltraining:training\.gpu\.type must be a text; got nothing$/],
  ["allowedMachineTypes", [], /must hold at least 1/],
  [
    "allowedMachineTypes",
    ["e2-standard-2"],
    /^mltraining:training\.machineType must be one of training\.allowedMachineTypes \(e2-standard-2\); got e2-standard-4$/,
  ],
  [
    "allowedMachineTypes",
    ["e2-standard-4", "e2-standard-5"],
    /^mltraining:training\.allowedMachineTypes\[1\]: there is no machine type e2-standard-5/,
  ],
  ["image", "Ubuntu 24.04", /must be an image family such as/],
  [
    "image",
    "tf-latest-cpu",
    /^mltraining:training\.image must not be tf-latest-cpu: Google has withdrawn all TensorFlow images/,
  ],
  ["image", "common-cpu", /withdrawn all CPU-based/],
  ["image", "common-cu121-debian-11", /withdrawn all Debian-based/],
  ["image", "pytorch-latest-gpu", /list of images no longer has it/],
  ["image", "ubuntu-1604-lts", /no longer gets security updates; take ubuntu-2404-lts-amd64$/],
  ["image", "ubuntu-2004-lts", /no longer gets security updates/],
  ["image", "debian-10", /no longer gets security updates; take debian-13$/],
  ["maxhours", 4, /^mltraining:training\.maxhours is not a setting; did you mean maxHours\?$/],
  ["machine", "e2-standard-4", /is not a setting/],
  ["startupScript", "x", /is not a setting; those are enabled, regions, zones/],
];
for (const [key, value, message] of BAD_TRAINING) {
  test(`refused: training.${key} = ${json(value)}`, () => {
    const found = problems({ ...PROJECT, "mltraining:training": json({ [key]: value }) });
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", message);
  });
}

const BAD_BUCKET: [string, unknown, RegExp][] = [
  [
    "location",
    "us-central9",
    /^mltraining:bucket\.location must be a region or one of us, eu, asia; did you mean us-central1\?; got "us-central9"$/,
  ],
  ["location", "mars", /must be a region or one of us, eu, asia/],
  ["location", 1, /must be a text; got 1$/],
  ["softDeleteDays", 6, /0 \(off\) or 7 to 90/],
  ["softDeleteDays", 91, /7 to 90, the days that Google allows; got 91$/],
  ["softDeleteDays", -1, /7 to 90, the days that Google allows; got -1$/],
  ["softDeleteDays", 7.5, /must be a whole number; got 7\.5$/],
  ["noncurrentDays", 0, /must be at least 1; got 0$/],
  ["scratchDays", 0, /must be at least 1; got 0$/],
  ["scratchDays", 366, /must be at most 365; got 366$/],
  ["retain", "yes", /must be true or false; got "yes"$/],
  ["name", "x", /^mltraining:bucket\.name is not a setting/],
];
for (const [key, value, message] of BAD_BUCKET) {
  test(`refused: bucket.${key} = ${json(value)}`, () => {
    const found = problems({ ...PROJECT, "mltraining:bucket": json({ [key]: value }) });
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", message);
  });
}

const BAD_KEYS: [Record<string, string>, RegExp][] = [
  [{ "gcp:project": "My Project" }, /^gcp:project must be a project's id/],
  [{ "gcp:project": "123456789012" }, /not its name or number; got "123456789012"$/],
  [{ "gcp:project": "abc" }, /^gcp:project must be a project's id/],
  [{ "gcp:project": "a".repeat(31) }, /^gcp:project must be a project's id/],
  [{ "gcp:project": " " }, /^gcp:project is missing/],
  [{ "mltraining:environment": "abc" }, /^mltraining:environment must be 4 to 20 .* \(3 characters\)$/],
  [{ "mltraining:environment": "a23456789012345678901" }, /\(21 characters\)$/],
  [{ "mltraining:environment": "ann-run-b" }, /must not hold "run" between hyphens/],
  [{ "mltraining:environment": "img-ann" }, /must not hold "img"/],
  [{ "mltraining:environment": "ann-ws" }, /must not hold "ws"/],
  [{ "mltraining:environment": "Ann-B" }, /must be 4 to 20 lower case/],
  [{ "mltraining:preset": "large" }, /^mltraining:preset must be one of default, freeTrial, course; got "large"$/],
  [{ "mltraining:preset": "freetrial" }, /must be one of/],
  [{ "mltraining:scope": "Solo" }, /must be one of solo, foundation, student; got "Solo"$/],
  [{ "mltraining:scope": "student" }, /^mltraining:foundation is missing: a student's stack needs/],
  [
    { "mltraining:foundation": "base" },
    /^mltraining:foundation belongs to a stack with mltraining:scope student; this one is solo$/,
  ],
  [{ "mltraining:scope": "foundation", "mltraining:foundation": "base" }, /this one is foundation$/],
  [
    { "mltraining:students": '["mlt-ann"]' },
    /^mltraining:students belongs to a stack with mltraining:scope foundation; this one is solo$/,
  ],
  [{ "mltraining:scope": "foundation", "mltraining:students": '["ann"]' }, /^mltraining:students\[0\] must be 4 to 20/],
  [
    { "mltraining:scope": "foundation", "mltraining:students": '["mlt-a","mlt-a"]' },
    /^mltraining:students\[1\] is there twice: mlt-a$/,
  ],
  [
    { "mltraining:scope": "foundation", "mltraining:students": '["mlt-dev"]' },
    /is the foundation's own environment: mlt-dev$/,
  ],
  [
    { "mltraining:scope": "foundation", "mltraining:students": "mlt-ann" },
    /^mltraining:students must be structured, not the text "mlt-ann"/,
  ],
  [
    { "mltraining:scope": "foundation", "mltraining:students": '{"a":1}' },
    /^mltraining:students must be a list; got \{"a":1\}$/,
  ],
  [{ "mltraining:labels": '{"Team":"x"}' }, /^mltraining:labels\.Team must begin with a lower case letter/],
  [
    { "mltraining:labels": '{"owner":"x"}' },
    /^mltraining:labels\.owner is set by the program itself: use mltraining:owner$/,
  ],
  [{ "mltraining:labels": '{"goog-x":"x"}' }, /Google keeps for itself/],
  [{ "mltraining:labels": '{"team":1}' }, /^mltraining:labels\.team must be a text; got 1$/],
  [{ "mltraining:labels": "[]" }, /^mltraining:labels must be a structure with members; got \[\]$/],
  [
    { "mltraining:labels": json(Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, "v"]))) },
    /must hold at most 50; got 51$/,
  ],
  [{ "mltraining:owner": "@@@" }, /^mltraining:owner must hold a letter or digit/],
  [{ "mltraining:expires": "tomorrow" }, /^mltraining:expires must be a day such as 2027-01-31; got "tomorrow"$/],
  [{ "mltraining:expires": "2027-02-30" }, /must be a day/],
  [{ "mltraining:expires": "2027-1-1" }, /must be a day/],
  [
    { "mltraining:training": "on" },
    /^mltraining:training must be structured, not the text "on"; set a member with: pulumi config set --path 'mltraining:training\.NAME' VALUE$/,
  ],
  [{ "mltraining:training": "true" }, /^mltraining:training must be a structure with members; got true$/],
  [{ "mltraining:training": "[]" }, /^mltraining:training must be a structure with members; got \[\]$/],
  [{ "mltraining:bucket": "my-bucket" }, /^mltraining:bucket must be structured/],
  [{ "gcp:region": "europe" }, /^gcp:region names no region of Google's/],
  [{ "mltraining:traning": "{}" }, /did you mean mltraining:training\?$/],
  [{ "mltraining:lables": "{}" }, /did you mean mltraining:labels\?$/],
  [{ "mltraining:buckets": "{}" }, /did you mean mltraining:bucket\?$/],
];
for (const [settings, message] of BAD_KEYS) {
  test(`refused: ${json(settings)}`, () => {
    const found = problems({ ...PROJECT, ...settings });
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", message);
  });
}

test("a zone outside the regions is refused with the regions", () => {
  assert.deepEqual(
    problems({ ...PROJECT, "mltraining:training": json({ regions: ["us-east1"], zones: ["us-west1-a"] }) }),
    ["mltraining:training.zones[0] lies in us-west1, which is none of the regions us-east1; got us-west1-a"],
  );
});

test("300 misspelt keys and members are each named with what was meant", () => {
  const members: Record<string, string[]> = {
    training: [
      "enabled",
      "regions",
      "zones",
      "machineType",
      "spot",
      "maxHours",
      "maxRestarts",
      "checkpointSeconds",
      "fallbackToStandard",
      "allowedMachineTypes",
      "image",
      "bootDiskGb",
    ],
    bucket: ["location", "softDeleteDays", "noncurrentDays", "scratchDays", "retain"],
  };
  let count = 0;
  const typos = (word: string): string[] =>
    [...word]
      .flatMap((_, at) => [word.slice(0, at) + word.slice(at + 1), `${word.slice(0, at)}q${word.slice(at)}`])
      .filter((typo) => typo !== word);
  for (const [key, names] of Object.entries(members)) {
    for (const name of names) {
      for (const typo of typos(name)) {
        const found = problems({ ...PROJECT, [`mltraining:${key}`]: json({ [typo]: true }) });
        assert.deepEqual(found, [`mltraining:${key}.${typo} is not a setting; did you mean ${name}?`]);
        count += 1;
      }
    }
  }
  for (const key of KEYS) {
    // `student` is one of `students`, and a setting itself.
    for (const typo of typos(key).filter((word) => !(KEYS as readonly string[]).includes(word))) {
      assert.deepEqual(problems({ ...PROJECT, [`mltraining:${typo}`]: "x" }), [
        `mltraining:${typo} is not a setting; did you mean mltraining:${key}?`,
      ]);
      count += 1;
    }
  }
  assert.ok(count > 300, String(count));
});
