import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, parseConfig } from "../../components/config.ts";
import program from "../../index.ts";
import { IMAGE_CALL, type Recording, record } from "../helpers/record.ts";

const PROJECT = { "gcp:project": "my-project" };
const OTHER = "ml26-s002-machines@other-project.iam.gserviceaccount.com";

function problems(settings: Record<string, string>): readonly string[] {
  try {
    parseConfig({ ...PROJECT, ...settings }, "dev");
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

function foundation(more: Record<string, string> = {}): Promise<Recording<Record<string, unknown>>> {
  const config = {
    ...PROJECT,
    "mltraining:scope": "foundation",
    "mltraining:environment": "ml26-foundation",
    "mltraining:students": '["ml26-s001"]',
    ...more,
  };
  return record(program, { config, stack: "base", calls: IMAGE_CALL });
}

test("a foundation makes one bucket, which each machines' account may read and nothing else", async () => {
  const recording = await foundation({ "mltraining:courseData": JSON.stringify({ readers: [OTHER] }) });
  const bucket = recording.only("gcp:storage/bucket:Bucket");
  assert.deepEqual(bucket.inputs, {
    project: "my-project",
    location: "us-central1",
    storageClass: "STANDARD",
    uniformBucketLevelAccess: true,
    publicAccessPrevention: "enforced",
    labels: { app: "ml-training", "mlt-environment": "ml26-foundation" },
    versioning: { enabled: false },
    softDeletePolicy: { retentionDurationSeconds: 7 * 24 * 3600 },
    lifecycleRules: [{ action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 7 } }],
    forceDestroy: true,
  });
  const members = recording.ofType("gcp:storage/bucketIAMMember:BucketIAMMember");
  assert.deepEqual(members.map(({ name, inputs }) => [name, inputs]).sort(), [
    [
      "ml26-foundation-course-ml26-s001",
      {
        bucket: "ml26-foundation-course-0123abc",
        role: "roles/storage.objectViewer",
        member: "serviceAccount:ml26-s001-machines@my-project.iam.gserviceaccount.com",
      },
    ],
    [
      "ml26-foundation-course-ml26-s002-machines-other-project-iam-gse-756c5f",
      {
        bucket: "ml26-foundation-course-0123abc",
        role: "roles/storage.objectViewer",
        member: `serviceAccount:${OTHER}`,
      },
    ],
  ]);
});

test("without the setting there is no such bucket", async () => {
  for (const settings of [{}, { "mltraining:courseData": "false" }] as Record<string, string>[]) {
    const recording = await foundation(settings);
    assert.deepEqual(recording.ofType("gcp:storage/bucket:Bucket"), []);
    assert.ok(!("courseDataBucketUrl" in recording.result));
  }
});

test("a student's environment.json names the bucket, and its stack grants nothing on it", async () => {
  const output = {
    project: "my-project",
    network: "https://example.test/network",
    subnetworks: { "us-central1": "https://example.test/subnet" },
    students: { "ml26-s001": "ml26-s001-machines@my-project.iam.gserviceaccount.com" },
  };
  const recording = await record(program, {
    config: {
      ...PROJECT,
      "mltraining:scope": "student",
      "mltraining:foundation": "base",
      "mltraining:environment": "ml26-s001",
      "mltraining:courseData": "gs://ml26-foundation-course-0123abc",
    },
    calls: IMAGE_CALL,
    state: ({ type }) => (type === "pulumi:pulumi:StackReference" ? { outputs: { foundation: output } } : undefined),
  });
  const { inputs } = recording.only("gcp:storage/bucketObject:BucketObject");
  const { course } = JSON.parse(String(inputs.content)) as { course: unknown };
  assert.deepEqual(course, { dataBucketUrl: "gs://ml26-foundation-course-0123abc" });
  for (const member of recording.ofType("gcp:storage/bucketIAMMember:BucketIAMMember")) {
    assert.match(String(member.inputs.bucket), /^ml26-s001-/);
  }
});

test("what does not fit the scope, or is no account, is told", () => {
  const foundationScope = { "mltraining:scope": "foundation" };
  assert.deepEqual(problems({ "mltraining:courseData": "true" }), [
    "mltraining:courseData belongs to a stack with mltraining:scope foundation or student; this one is solo",
  ]);
  assert.deepEqual(problems({ ...foundationScope, "mltraining:courseData": "gs://some-bucket" }), [
    'mltraining:courseData of a foundation must be true or {readers: [SERVICE ACCOUNT, …]}: a foundation makes the bucket, students name it; got "gs://some-bucket"',
  ]);
  const student = { "mltraining:scope": "student", "mltraining:foundation": "base" };
  assert.deepEqual(problems({ ...student, "mltraining:courseData": "true" }), [
    "mltraining:courseData of a student's stack must be the course's bucket, gs://BUCKET, as its foundation's output courseDataBucketUrl says; got \"true\"",
  ]);
  const readers = ["user:ann@example.com", OTHER, OTHER];
  assert.deepEqual(problems({ ...foundationScope, "mltraining:courseData": JSON.stringify({ readers, reader: 1 }) }), [
    "mltraining:courseData.reader is not a setting; did you mean readers?",
  ]);
  assert.deepEqual(problems({ ...foundationScope, "mltraining:courseData": JSON.stringify({ readers }) }), [
    'mltraining:courseData.readers[0] must be a service account\'s e-mail, NAME@PROJECT.iam.gserviceaccount.com; got "user:ann@example.com"',
    `mltraining:courseData.readers[2] is there twice: ${OTHER}`,
  ]);
});
