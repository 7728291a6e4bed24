import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { readMark } from "../components/marks.ts";
import program from "../index.ts";
import type { Environment } from "../training/contract.ts";
import { IMAGE_CALL, outputValue, type Recorded, type Recording, record, type World } from "./helpers/record.ts";

type Outputs = Record<string, unknown>;

const PROJECT = { "gcp:project": "my-project" };
const FOUNDATION_OUTPUT = {
  project: "my-project",
  network: "https://example.test/network",
  subnetworks: { "us-central1": "https://example.test/subnet-1", "us-east1": "https://example.test/subnet-2" },
  students: {
    "mlt-ann": "mlt-ann-machines@my-project.iam.gserviceaccount.com",
    "mlt-bob": "mlt-bob-machines@my-project.iam.gserviceaccount.com",
  },
};

function run(settings: Record<string, string> = {}, more: World = {}): Promise<Recording<Outputs>> {
  return record(program, { config: { ...PROJECT, ...settings }, calls: IMAGE_CALL, stack: "dev", ...more });
}

const solo = (settings: Record<string, string> = {}): Promise<Recording<Outputs>> => run(settings);
const foundation = (students: string[]): Promise<Recording<Outputs>> =>
  run({
    "mltraining:scope": "foundation",
    "mltraining:environment": "course",
    "mltraining:students": JSON.stringify(students),
  });
const student = (
  name: string,
  more: Record<string, string> = {},
  output: unknown = FOUNDATION_OUTPUT,
): Promise<Recording<Outputs>> =>
  run(
    { "mltraining:scope": "student", "mltraining:environment": name, "mltraining:foundation": "base", ...more },
    {
      state: ({ type }) =>
        type === "pulumi:pulumi:StackReference"
          ? { outputs: output === undefined ? {} : { foundation: output }, secretOutputNames: [] }
          : undefined,
    },
  );

function inventory({ resources }: Recording<unknown>): string[] {
  return resources.map(({ type, name }) => `${type} ${name}`).sort();
}

test("solo: every resource, by type and name", async () => {
  assert.deepEqual(inventory(await solo()), [
    "gcp:compute/firewall:Firewall mlt-dev-ssh-mlt-dev",
    "gcp:compute/instanceTemplate:InstanceTemplate mlt-dev-us-central1",
    "gcp:compute/network:Network mlt-dev",
    "gcp:compute/router:Router mlt-dev-us-central1",
    "gcp:compute/routerNat:RouterNat mlt-dev-us-central1",
    "gcp:compute/subnetwork:Subnetwork mlt-dev-us-central1",
    "gcp:projects/iAMCustomRole:IAMCustomRole mlt-dev-selfDelete",
    "gcp:projects/iAMCustomRole:IAMCustomRole mlt-dev-watchOperations",
    "gcp:projects/iAMMember:IAMMember mlt-dev-self-delete",
    "gcp:projects/iAMMember:IAMMember mlt-dev-watch-operations",
    "gcp:projects/service:Service mlt-dev-cloudresourcemanager",
    "gcp:projects/service:Service mlt-dev-compute",
    "gcp:projects/service:Service mlt-dev-iam",
    "gcp:projects/service:Service mlt-dev-iap",
    "gcp:projects/service:Service mlt-dev-storage",
    "gcp:serviceaccount/account:Account mlt-dev-machines",
    "gcp:storage/bucket:Bucket mlt-dev-data",
    "gcp:storage/bucket:Bucket mlt-dev-scratch",
    "gcp:storage/bucketIAMMember:BucketIAMMember mlt-dev-data-read",
    "gcp:storage/bucketIAMMember:BucketIAMMember mlt-dev-data-write",
    "gcp:storage/bucketIAMMember:BucketIAMMember mlt-dev-scratch",
    "gcp:storage/bucketObject:BucketObject mlt-dev",
    "mltraining:index:BucketAccess mlt-dev",
    "mltraining:index:Buckets mlt-dev",
    "mltraining:index:EnvironmentRecord mlt-dev",
    "mltraining:index:Foundation mlt-dev",
    "mltraining:index:MachineIdentity mlt-dev",
    "mltraining:index:Network mlt-dev",
    "mltraining:index:ProjectServices mlt-dev",
    "mltraining:index:SelfDeleteRoles mlt-dev",
    "mltraining:index:SshAccess mlt-dev",
    "mltraining:index:TrainingTemplate mlt-dev",
  ]);
});

test("solo without training: the buckets stay, the template goes", async () => {
  const { resources, result } = await solo({ "mltraining:training": '{"enabled":false}' });
  assert.ok(!resources.some(({ type }) => /InstanceTemplate|TrainingTemplate/.test(type)));
  assert.equal(resources.filter(({ type }) => type === "gcp:storage/bucket:Bucket").length, 2);
  assert.equal(result.training, undefined);
});

test("a foundation holds what is the project's, and every student's account and bindings", async () => {
  const { ofType, resources, result } = await foundation(["mlt-ann", "mlt-bob"]);
  assert.deepEqual(
    ofType("gcp:serviceaccount/account:Account").map(({ name }) => name),
    ["mlt-ann-machines", "mlt-bob-machines"],
  );
  assert.deepEqual(
    ofType("gcp:projects/iAMMember:IAMMember")
      .map(({ name }) => name)
      .sort(),
    [
      "course-run-schedules",
      "mlt-ann-open-project",
      "mlt-ann-self-delete",
      "mlt-ann-student",
      "mlt-ann-watch-operations",
      "mlt-bob-open-project",
      "mlt-bob-self-delete",
      "mlt-bob-student",
      "mlt-bob-watch-operations",
    ],
  );
  assert.ok(!resources.some(({ type }) => /storage|InstanceTemplate/.test(type)));
  const output = result.foundation as {
    students: Record<string, pulumi.Output<string>>;
    subnetworks: Record<string, pulumi.Output<string>>;
  };
  assert.deepEqual(Object.keys(output.students), ["mlt-ann", "mlt-bob"]);
  assert.equal(
    await outputValue(pulumi.output(output.students["mlt-bob"] ?? "")),
    "mlt-bob-machines@my-project.iam.gserviceaccount.com",
  );
});

test("taking one student out changes nothing of another's", async () => {
  const others = (recording: Recording<unknown>): Recorded[] =>
    recording.resources
      .filter(({ name, custom }) => custom && !name.includes("mlt-ann"))
      .sort((a, b) => `${a.type}${a.name}`.localeCompare(`${b.type}${b.name}`));
  const before = await foundation(["mlt-ann", "mlt-bob", "mlt-cid"]);
  const after = await foundation(["mlt-bob", "mlt-cid"]);
  assert.deepEqual(others(after), others(before));
  const gone = before.resources.length - after.resources.length;
  assert.equal(gone, 8, "an identity, its account, four bindings on the project, one on the subnetwork, and a rule");
});

test("a student has buckets and a template on the foundation, and writes nothing on the project", async () => {
  const recording = await student("mlt-ann");
  assert.deepEqual(inventory(recording), [
    "gcp:compute/instanceTemplate:InstanceTemplate mlt-ann-run-us-central1",
    "gcp:storage/bucket:Bucket mlt-ann-data",
    "gcp:storage/bucket:Bucket mlt-ann-scratch",
    "gcp:storage/bucketIAMMember:BucketIAMMember mlt-ann-data-read",
    "gcp:storage/bucketIAMMember:BucketIAMMember mlt-ann-data-write",
    "gcp:storage/bucketIAMMember:BucketIAMMember mlt-ann-scratch",
    "gcp:storage/bucketObject:BucketObject mlt-ann",
    "mltraining:index:BucketAccess mlt-ann",
    "mltraining:index:Buckets mlt-ann",
    "mltraining:index:EnvironmentRecord mlt-ann",
    "mltraining:index:TrainingTemplate mlt-ann-run",
    "pulumi:pulumi:StackReference organization/mltraining/base",
  ]);
  const template = recording.only("gcp:compute/instanceTemplate:InstanceTemplate").inputs;
  assert.deepEqual(template.networkInterfaces, [{ subnetwork: "https://example.test/subnet-1" }]);
  assert.equal((template.serviceAccount as { email: string }).email, FOUNDATION_OUTPUT.students["mlt-ann"]);
  for (const { inputs } of recording.ofType("gcp:storage/bucketIAMMember:BucketIAMMember")) {
    assert.equal(inputs.member, `serviceAccount:${FOUNDATION_OUTPUT.students["mlt-ann"]}`);
    assert.match(String(inputs.bucket), /^mlt-ann-/);
  }
});

test("a bad configuration ends the program without a stack trace, before anything is registered", async () => {
  const seen: string[] = [];
  await assert.rejects(
    record(program, {
      config: { "mltraining:environment": "abc", "mltraining:training": '{"maxHours":0}' },
      state: ({ type }) => void seen.push(type),
    }),
    (error: Error) =>
      pulumi.RunError.isInstance(error) &&
      /has 3 problems; nothing was changed\.\n {2}gcp:project is missing.*\n {2}mltraining:environment must be .*\n {2}mltraining:training\.maxHours must be at least 0\.1; got 0$/.test(
        error.message,
      ),
  );
  assert.deepEqual(seen, []);
});

test("environment.json is the run contract's, by type and by schema", async () => {
  const schema = JSON.parse(
    readFileSync(new URL("../schemas/environment.json", import.meta.url), "utf8"),
  ) as Parameters<typeof z.fromJSONSchema>[0];
  const { only } = await solo({ "mltraining:owner": "ann@example.com", "mltraining:preset": "course" });
  const { inputs } = only("gcp:storage/bucketObject:BucketObject");
  assert.deepEqual(
    [inputs.bucket, inputs.name, inputs.contentType],
    ["mlt-dev-data-0123abc", "environment.json", "application/json"],
  );
  const content: unknown = JSON.parse(String(inputs.content));
  const expected: Environment = {
    schema: 1,
    environment: "mlt-dev",
    project: "my-project",
    scope: "solo",
    region: "us-central1",
    zones: ["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"],
    buckets: { data: "mlt-dev-data-0123abc", scratch: "mlt-dev-scratch-0123abc" },
    serviceAccount: "mlt-dev-machines@my-project.iam.gserviceaccount.com",
    training: {
      templates: { "us-central1": "mlt-dev-us-central1-0123abc" },
      machineType: "e2-standard-4",
      spot: true,
      maxHours: 3,
      maxRestarts: 3,
      checkpointSeconds: 30,
      fallbackToStandard: false,
      allowedMachineTypes: ["e2-standard-2", "e2-standard-4", "e2-standard-8", "n2-standard-4", "n2-standard-8"],
      image: "projects/ubuntu-os-cloud/global/images/ubuntu-2404-lts-amd64-v20261101",
    },
    labels: { app: "ml-training", "mlt-environment": "mlt-dev", owner: "ann" },
  };
  assert.deepEqual(content, expected);
  const validator = z.fromJSONSchema(schema);
  assert.deepEqual(validator.parse(content), expected);
  assert.ok(!validator.safeParse({ ...expected, zones: ["nowhere"] }).success);
  assert.ok(!validator.safeParse({ ...expected, secret: 1 }).success);
});

test("the outputs are the documented ones", async () => {
  const { result } = await solo();
  const shown = await outputValue<unknown>(pulumi.output(result));
  assert.deepEqual(shown, {
    environment: "mlt-dev",
    consoleUrls: {
      bucket: "https://console.cloud.google.com/storage/browser/mlt-dev-data-0123abc?project=my-project",
      machines: "https://console.cloud.google.com/compute/instances?project=my-project",
      logs: "https://console.cloud.google.com/logs/query;query=resource.type%3D%22gce_instance%22%0AprotoPayload.resourceName%3A%22%2Finstances%2Fmlt-dev-run-%22?project=my-project",
      cost: "https://console.cloud.google.com/billing/linkedaccount?project=my-project",
    },
    dataBucketUrl: "gs://mlt-dev-data-0123abc",
    scratchBucketUrl: "gs://mlt-dev-scratch-0123abc",
    inputUrl: "gs://mlt-dev-data-0123abc/input",
    outputUrl: "gs://mlt-dev-data-0123abc/output",
    training: {
      template: { "us-central1": "mlt-dev-us-central1-0123abc" },
      zones: ["us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"],
      image: "projects/ubuntu-os-cloud/global/images/ubuntu-2404-lts-amd64-v20261101",
      runCommand: "npx mlt train examples/census --environment gs://mlt-dev-data-0123abc",
    },
  });
});

test("a first preview, where nothing is known yet, registers the same resources and asks for no image", async () => {
  const preview = await run({}, { preview: true, calls: {} });
  assert.deepEqual(inventory(preview), inventory(await solo()));
});

/** Rules that hold for every resource of every scope. */
const WORLDS: [string, () => Promise<Recording<Outputs>>][] = [
  ["solo", () => solo()],
  [
    "solo with a GPU in two regions",
    () => solo({ "mltraining:training": '{"machineType":"g2-standard-4","regions":["us-east1","us-west1"]}' }),
  ],
  [
    "solo, standard machines, retained data",
    () => solo({ "mltraining:training": '{"spot":false}', "mltraining:bucket": '{"retain":true,"softDeleteDays":0}' }),
  ],
  [
    "solo with a workstation",
    () => solo({ "mltraining:workstation": '{"dataDiskGb":20,"people":["user:ann@example.org"]}' }),
  ],
  ["foundation", () => foundation(["mlt-ann", "mlt-bob"])],
  ["student", () => student("mlt-ann")],
  ["student with a workstation", () => student("mlt-ann", { "mltraining:workstation": "true" })],
];
/** Types that take no labels, and a description. */
const MARKED =
  /^gcp:(compute\/(network|subnetwork|router|firewall|resourcePolicy)|serviceaccount\/account|projects\/iAMCustomRole):/;
const LABELLED = [
  "gcp:storage/bucket:Bucket",
  "gcp:compute/instanceTemplate:InstanceTemplate",
  "gcp:compute/instance:Instance",
  "gcp:compute/disk:Disk",
];
const PROJECT_IAM = "gcp:projects/iAMMember:IAMMember";
const ALLOWED_TYPES =
  /^gcp:(projects\/(service|iAMMember|iAMCustomRole)|compute\/(network|subnetwork|router|routerNat|firewall|instanceTemplate|instance|instanceIAMMember|subnetworkIAMMember|disk|resourcePolicy)|iap\/tunnelInstanceIAMMember|storage\/(bucket|bucketIAMMember|bucketObject)|serviceaccount\/(account|iAMMember)):/;

for (const [title, make] of WORLDS) {
  test(`invariants: ${title}`, async () => {
    const { resources, ofType } = await make();
    const everything = JSON.stringify(resources.map(({ inputs }) => ({ ...inputs, metadata: undefined })));
    for (const forbidden of [
      "0.0.0.0/0",
      "::/0",
      "0.0.0.0/1",
      "accessConfig",
      "allUsers",
      "allAuthenticatedUsers",
      "compute@developer",
      "roles/owner",
      "roles/editor",
      '"default"',
    ]) {
      assert.ok(!everything.includes(forbidden), `${forbidden} is somewhere in it`);
    }
    for (const { type, inputs, name } of resources.filter(
      (resource) => resource.custom && resource.type.startsWith("gcp:"),
    )) {
      // Members only: an authoritative policy or binding would take away what others of the project were given.
      assert.match(type, ALLOWED_TYPES, name);
      if (LABELLED.includes(type)) {
        const labels = inputs.labels as Record<string, string>;
        assert.equal(labels.app, "ml-training", name);
        assert.ok(labels["mlt-environment"], name);
      } else if (MARKED.test(type)) {
        // `mlt clean` knows by it whose a resource is that has no labels.
        assert.ok(readMark(inputs.description), `${name} has no mark (components/marks.ts) in its description`);
      }
    }
    for (const { inputs, name } of ofType("gcp:storage/bucket:Bucket")) {
      assert.notEqual(
        (inputs.softDeletePolicy as { retentionDurationSeconds?: number } | undefined)?.retentionDurationSeconds,
        undefined,
        name,
      );
      assert.equal(inputs.publicAccessPrevention, "enforced", name);
      assert.equal(inputs.uniformBucketLevelAccess, true, name);
    }
    for (const { inputs, name } of ofType("gcp:compute/instanceTemplate:InstanceTemplate")) {
      const scheduling = inputs.scheduling as Record<string, unknown>;
      assert.ok((scheduling.maxRunDuration as { seconds: number }).seconds > 0, name);
      assert.equal(scheduling.instanceTerminationAction, "DELETE", name);
      for (const disk of inputs.disks as {
        autoDelete: boolean;
        labels: Record<string, string>;
        sourceImage: string;
      }[]) {
        assert.ok(disk.autoDelete && disk.labels["mlt-environment"], name);
        assert.doesNotMatch(disk.sourceImage, /\/family\//);
      }
      const metadata = inputs.metadata as Record<string, string>;
      assert.deepEqual(
        [metadata["enable-oslogin"], metadata["block-project-ssh-keys"], metadata["serial-port-enable"]],
        ["TRUE", "TRUE", "FALSE"],
      );
      assert.match(
        (inputs.serviceAccount as { email: string }).email,
        /-machines@my-project\.iam\.gserviceaccount\.com$/,
      );
    }
    for (const { inputs, name } of ofType("gcp:compute/firewall:Firewall")) {
      assert.deepEqual(inputs.sourceRanges, ["35.235.240.0/20"], name);
      assert.equal((inputs.targetServiceAccounts as string[]).length, 1, name);
    }
    for (const { inputs, name } of ofType(PROJECT_IAM)) {
      const condition = inputs.condition as { expression: string } | undefined;
      // People see the project, and hold nothing else on it.
      const person = /openProject/.test(String(inputs.role)) && title !== "foundation";
      assert.match(String(inputs.member), person ? /^user:/ : /^serviceAccount:/, name);
      assert.match(String(inputs.role), /^projects\/my-project\/roles\//, "custom roles only");
      if (condition) {
        const names = [...condition.expression.matchAll(/\.(startsWith\(|extract\("[^"]+"\) == )"([^"]*)"/g)];
        assert.ok(names.length > 0, name);
        // Every name that a condition compares ends in a word that no environment's name may hold.
        for (const [, , text = ""] of names) assert.match(text, /^[a-z0-9-]+-(run-|ws)$/, name);
      } else
        assert.match(
          String(inputs.role),
          /watchOperations|runSchedules|openProject/,
          "only rights that no machine's name can narrow are without a condition",
        );
    }
  });
}

test("200 students are planned with everything of theirs", async () => {
  const students = Array.from({ length: 200 }, (_, index) => `mlt-s${String(index).padStart(3, "0")}`);
  const { ofType } = await foundation(students);
  assert.equal(ofType("gcp:serviceaccount/account:Account").length, 200);
  // Four for each, and one for Google's agent that keeps schedules.
  assert.equal(new Set(ofType(PROJECT_IAM).map(({ name }) => name)).size, 801);
});
