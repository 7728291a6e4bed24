import assert from "node:assert/strict";
import { test } from "node:test";
import { type Config, ConfigError, parseConfig } from "../../components/config.ts";
import { readWorkstation } from "../../components/workstationConfig.ts";

type Settings = Record<string, unknown>;

function read(workstation: unknown, more: Record<string, string> = {}): Config {
  const own: Record<string, string> = {};
  if (workstation !== undefined) own["mltraining:workstation"] = JSON.stringify(workstation);
  return parseConfig({ "gcp:project": "my-project", ...own, ...more }, "dev");
}

function problems(workstation: unknown, more: Record<string, string> = {}): string[] {
  try {
    read(workstation, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const warnings = (workstation: Settings): string[] => read(workstation).warnings;

test("true and {} are all defaults; absent and false are none", () => {
  const expected = {
    zone: "us-central1-a",
    region: "us-central1",
    machineType: "e2-standard-4",
    guestAccelerators: [],
    onHostMaintenance: "MIGRATE",
    hasGpu: false,
    spot: false,
    image: {
      project: "ubuntu-os-cloud",
      family: "ubuntu-2404-lts-amd64",
      known: { project: "ubuntu-os-cloud", gpu: false, architecture: "x86_64", supportedUntil: "2029-05-31" },
    },
    bootDiskGb: 50,
    diskType: "pd-balanced",
    dataDiskGb: undefined,
    idleMinutes: 60,
    schedule: { stop: "0 22 * * *", timeZone: "America/Chicago" },
    externalIp: false,
    sshFrom: [],
    people: [],
    requirements: undefined,
  };
  assert.deepEqual(read(true).workstation, expected);
  assert.deepEqual(read({}).workstation, expected);
  assert.deepEqual(read({}).warnings, []);
  assert.deepEqual(read({}).notes, [
    "workstation: e2-standard-4 in us-central1-a: about 0.13 USD per hour while it runs, 5.00 USD per month for its disks also when stopped (list prices of 2026-11-21)",
    'workstation: stops by itself after 60 idle minutes and at "0 22 * * *" (cron), America/Chicago',
  ]);
  for (const none of [undefined, false]) {
    const config = read(none);
    assert.equal(config.workstation, undefined);
    assert.deepEqual(config.notes, []);
  }
});

test("a GPU: machine type, image, disk, secure boot follow from it", () => {
  const own = read({ machineType: "g2-standard-4" });
  assert.equal(own.workstation?.hasGpu, true);
  assert.equal(own.workstation?.image.family, "common-cu129-ubuntu-2404-nvidia-580");
  assert.equal(own.workstation?.bootDiskGb, 100);
  assert.equal(own.workstation?.onHostMaintenance, "TERMINATE");
  assert.deepEqual(own.workstation?.guestAccelerators, []);
  assert.deepEqual(own.warnings, [
    "mltraining:workstation.gpu: secure boot is off, because NVIDIA's drivers in GPU images are not signed for it; virtual TPM and integrity monitoring are on",
  ]);
  const attached = read({ gpu: { type: "nvidia-tesla-t4" } }).workstation;
  assert.equal(attached?.machineType, "n1-standard-8");
  assert.deepEqual(attached?.guestAccelerators, [{ type: "nvidia-tesla-t4", count: 1 }]);
  const plain = read({ machineType: "g2-standard-4", image: "ubuntu-2404-lts-amd64" });
  assert.ok(
    plain.warnings.includes(
      "mltraining:workstation.image: ubuntu-2404-lts-amd64 has no NVIDIA driver, but the workstation has a GPU; common-cu129-ubuntu-2404-nvidia-580 has one",
    ),
  );
});

test("spot, arm, zone and region", () => {
  assert.equal(read({ spot: true }).workstation?.onHostMaintenance, "TERMINATE");
  assert.equal(read({ machineType: "c4a-standard-4" }).workstation?.image.family, "ubuntu-2404-lts-arm64");
  assert.equal(read({ machineType: "c4a-standard-4" }).workstation?.diskType, "hyperdisk-balanced");
  const far = read({ zone: "europe-west1-b" }).workstation;
  assert.deepEqual(
    [far?.zone, far?.region, far?.schedule?.timeZone],
    ["europe-west1-b", "europe-west1", "Europe/Brussels"],
  );
  const home = read({}, { "gcp:region": "asia-northeast1" }).workstation;
  assert.deepEqual([home?.zone, home?.schedule?.timeZone], ["asia-northeast1-a", "Asia/Tokyo"]);
});

test("GPU and machine type that do not go together, or a zone without it, are named", () => {
  assert.deepEqual(problems({ machineType: "e2-standard-4", gpu: { type: "nvidia-tesla-t4" } }), [
    "mltraining:workstation.machineType: nvidia-tesla-t4 can be attached to N1 machines only, such as n1-standard-8; got e2-standard-4",
  ]);
  assert.deepEqual(problems({ machineType: "g2-standard-4", gpu: { type: "nvidia-l4" } }), [
    "mltraining:workstation.machineType: g2-standard-4 carries its GPU (1 × nvidia-l4); leave workstation.gpu away, got nvidia-l4",
  ]);
  assert.deepEqual(
    problems({ machineType: "a3-highgpu-1g" })[0],
    "mltraining:workstation.machineType: a3-highgpu-1g is sold as Spot, Flex-start or by reservation only; set workstation.spot to true",
  );
  const [without] = problems({ machineType: "g2-standard-4", zone: "us-west3-a" });
  assert.match(without ?? "", /^mltraining:workstation\.machineType: nvidia-l4 is not in us-west3-a; it is in /);
  const [nowhere] = problems({ machineType: "g2-standard-4" }, { "gcp:region": "us-west3" });
  assert.match(nowhere ?? "", /^mltraining:workstation\.machineType: nvidia-l4 is not in us-west3; it is in /);
  assert.deepEqual(problems({ zone: "us-central1-x" }), [
    'mltraining:workstation.zone names no zone of Google\'s; the nearest: us-central1-a, us-central1-b, us-central1-c, us-central1-f; got "us-central1-x"',
  ]);
  assert.deepEqual(problems({ machineType: "e2-standard-5" }), [
    "mltraining:workstation.machineType: there is no machine type e2-standard-5; the nearest are e2-standard-4, e2-standard-8, e2-standard-2",
  ]);
});

test("images that are gone, others', or for another processor", () => {
  assert.match(
    problems({ image: "tf-latest-gpu" })[0] ?? "",
    /^mltraining:workstation\.image must not be tf-latest-gpu: Google has withdrawn all TensorFlow images;/,
  );
  assert.deepEqual(problems({ image: "common-cu128-ubuntu-2204-nvidia-570" }), [
    "mltraining:workstation.image must not be common-cu128-ubuntu-2204-nvidia-570: it has had no security updates since 2026-04-13; take common-cu129-ubuntu-2404-nvidia-580",
  ]);
  assert.deepEqual(problems({ image: "projects/somebody/global/images/x" }), [
    "mltraining:workstation.image must be an image of my-project, or of Google's debian-cloud, deeplearning-platform-release, ubuntu-os-cloud; got one of somebody",
  ]);
  assert.deepEqual(problems({ image: "debian-13-arm64" }), [
    "mltraining:workstation.image debian-13-arm64 is for arm64, but e2-standard-4 is x86_64; take ubuntu-2404-lts-amd64, or leave image away",
  ]);
  assert.equal(read({ image: "auto" }).workstation?.image.family, "ubuntu-2404-lts-amd64");
  assert.deepEqual(read({ image: "projects/my-project/global/images/mine-v1" }).workstation?.image, {
    project: "my-project",
    name: "mine-v1",
  });
  const soon = readWorkstation(
    { image: "ubuntu-2204-lts" },
    { project: "p", region: "us-central1", scope: "solo", preset: {}, today: "2027-04-01" },
  );
  assert.deepEqual(soon.warnings, [
    "image: ubuntu-2204-lts gets its last security updates on 2027-04-30, in 29 days; take ubuntu-2404-lts-amd64",
  ]);
});

test("it ends by itself, and what does not is told", () => {
  assert.deepEqual(read({ idleMinutes: 30 }).workstation?.idleMinutes, 30);
  assert.deepEqual(warnings({ idleMinutes: 0 }), [
    "mltraining:workstation.idleMinutes 0: a forgotten workstation runs until its schedule stops it",
  ]);
  assert.deepEqual(warnings({ idleMinutes: 0, schedule: false }), [
    "mltraining:workstation.idleMinutes 0 and schedule false: nothing stops a forgotten workstation, 98 USD per month if it runs on",
  ]);
  assert.deepEqual(read({ schedule: false }).workstation?.schedule, undefined);
  assert.deepEqual(read({ schedule: false }).notes[1], "workstation: stops by itself after 60 idle minutes");
  assert.deepEqual(warnings({ schedule: { start: "0 8 * * 1-5" } }), [
    'mltraining:workstation.schedule.start: it starts by itself at "0 8 * * 1-5" (cron), America/Chicago, and runs 322 hours a month, about 43 USD at most (it stops when idle)',
  ]);
  assert.deepEqual(
    warnings({ idleMinutes: 0, schedule: { start: "0 8 * * *", stop: "0 18 * * *", timeZone: "UTC" } })[1],
    'mltraining:workstation.schedule.start: it starts by itself at "0 8 * * *" (cron), UTC, and runs 310 hours a month, about 42 USD',
  );
  for (const wrong of [-1, 1, 4, 10_081, 30.5]) {
    assert.equal(problems({ idleMinutes: wrong }).length, 1, String(wrong));
  }
  assert.deepEqual(problems({ idleMinutes: 4 }), [
    "mltraining:workstation.idleMinutes must be 0 (never) or 5 to 10080 minutes (a week); got 4",
  ]);
  assert.deepEqual(problems({ schedule: { stop: "ten at night", timeZone: "Berlin" } }), [
    'mltraining:workstation.schedule.stop must be a cron line of five fields (minute, hour, day of month, month, day of week) such as "0 22 * * *"; got "ten at night"',
    'mltraining:workstation.schedule.timeZone must be a time zone of the IANA database such as Europe/Berlin or UTC; got "Berlin"',
  ]);
  assert.deepEqual(problems({ schedule: true }), [
    "mltraining:workstation.schedule must be false or {stop, start, timeZone}; got true",
  ]);
});

test("a public address needs to know from where", () => {
  const missing =
    "mltraining:workstation.sshFrom is missing: a workstation with a public address (externalIp) needs the ranges that SSH may come from, such as 203.0.113.7/32; or leave externalIp away, `mlt ssh` needs no address";
  assert.deepEqual(problems({ externalIp: true }), [missing]);
  assert.deepEqual(problems({ externalIp: true, sshFrom: [] }), [missing]);
  assert.match(
    problems({ externalIp: true, sshFrom: ["0.0.0.0/1", "128.0.0.0/1"] })[0] ?? "",
    /must hold at most 65536/,
  );
  assert.match(problems({ sshFrom: ["0.0.0.0/0"] })[0] ?? "", /whole internet/);
  const open = read({ externalIp: true, sshFrom: ["203.0.113.0/24"] }).workstation;
  assert.deepEqual([open?.externalIp, open?.sshFrom], [true, ["203.0.113.0/24"]]);
  const useless = read({ sshFrom: ["203.0.113.0/24"] });
  assert.deepEqual(useless.workstation?.sshFrom, []);
  assert.deepEqual(useless.warnings, [
    "mltraining:workstation.sshFrom: nothing comes of it without externalIp: SSH goes through Identity-Aware Proxy",
  ]);
});

test("people are people and groups, with sudo unless it is taken away", () => {
  const config = read({
    people: [
      "user:ann@example.org",
      { member: "group:team@example.org", sudo: false },
      { member: "user:b@example.org" },
    ],
  });
  assert.deepEqual(config.workstation?.people, [
    { member: "user:ann@example.org", sudo: true },
    { member: "group:team@example.org", sudo: false },
    { member: "user:b@example.org", sudo: true },
  ]);
  for (const wrong of [
    "ann@example.org",
    "allUsers",
    "allAuthenticatedUsers",
    "domain:example.org",
    "user:ann",
    "serviceAccount:x@p.iam.gserviceaccount.com",
  ]) {
    assert.deepEqual(problems({ people: [wrong] }), [
      `mltraining:workstation.people[0] must be user:NAME@DOMAIN or group:NAME@DOMAIN: nobody else gets onto a workstation; got ${JSON.stringify(wrong)}`,
    ]);
  }
  assert.deepEqual(problems({ people: ["user:ann@example.org", "user:Ann@example.org"] }), [
    "mltraining:workstation.people[1] is there twice: user:Ann@example.org",
  ]);
  assert.deepEqual(problems({ people: [1] }), [
    "mltraining:workstation.people[0] must be user:NAME@DOMAIN or {member, sudo}; got 1",
  ]);
});

test("requirements are a file here or an object", () => {
  assert.deepEqual(read({ requirements: "my/requirements.txt" }).workstation?.requirements, {
    file: "my/requirements.txt",
  });
  assert.deepEqual(read({ requirements: "gs://bucket-1/a/r.txt" }).workstation?.requirements, {
    object: "gs://bucket-1/a/r.txt",
  });
  for (const wrong of ["/etc/r.txt", "~/r.txt", "C:\\r.txt", "a\\b", "folder/", "gs://bucket", "gs://b/"]) {
    assert.deepEqual(problems({ requirements: wrong }), [
      `mltraining:workstation.requirements must be a file relative to Pulumi.yaml's folder, with /, or gs://BUCKET/OBJECT; got ${JSON.stringify(wrong)}`,
    ]);
  }
});

test("disks, sizes, unknown members, all told at once", () => {
  const config = read({ bootDiskGb: 80, dataDiskGb: 200 });
  assert.deepEqual([config.workstation?.bootDiskGb, config.workstation?.dataDiskGb], [80, 200]);
  assert.match(config.notes[0] ?? "", /28 USD per month for its disks/);
  assert.deepEqual(problems({ bootDiskGb: 5, dataDiskGb: "20", datadisk: 1 }), [
    "mltraining:workstation.bootDiskGb must be at least 10; got 5",
    'mltraining:workstation.dataDiskGb must be a number; got "20" (leave the quotes away)',
    "mltraining:workstation.datadisk is not a setting; did you mean dataDiskGb?",
  ]);
});

test("presets give a workstation smaller defaults, which any member overrides", () => {
  const trial = (workstation: Settings) => read(workstation, { "mltraining:preset": "freeTrial" }).workstation;
  assert.deepEqual([trial({})?.machineType, trial({})?.bootDiskGb], ["e2-standard-2", 30]);
  assert.equal(trial({ machineType: "e2-standard-8" })?.machineType, "e2-standard-8");
  const course = read({}, { "mltraining:preset": "course" }).workstation;
  assert.deepEqual([course?.machineType, course?.idleMinutes], ["e2-standard-2", 45]);
  assert.equal(
    read({ gpu: { type: "nvidia-tesla-t4" } }, { "mltraining:preset": "course" }).workstation?.machineType,
    "n1-standard-8",
  );
});

test("a foundation has none; a student's people need one right more", () => {
  assert.deepEqual(problems(true, { "mltraining:scope": "foundation" }), [
    "mltraining:workstation belongs to a stack with machines of its own (solo, student); this one is foundation",
  ]);
  const student = read(
    { people: ["user:ann@example.org"] },
    { "mltraining:scope": "student", "mltraining:foundation": "base" },
  );
  assert.deepEqual(student.warnings, [
    "mltraining:workstation.people: they also need to see the project (compute.projects.get), which a student's stack may not grant; whoever keeps the foundation gives them its role openProject",
  ]);
});
