import assert from "node:assert/strict";
import { test } from "node:test";
import { KEYS } from "../../components/configSchema.ts";
import { json, PROJECT, problems } from "./settings.ts";

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
