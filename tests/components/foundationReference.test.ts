import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import program from "../../index.ts";
import { IMAGE_CALL, type Recording, record, type World } from "../helpers/record.ts";

const FOUNDATION_OUTPUT = {
  project: "my-project",
  network: "https://example.test/network",
  subnetworks: { "us-central1": "https://example.test/subnet-1", "us-east1": "https://example.test/subnet-2" },
  students: {
    "mlt-ann": "mlt-ann-machines@my-project.iam.gserviceaccount.com",
    "mlt-bob": "mlt-bob-machines@my-project.iam.gserviceaccount.com",
  },
};

function run(settings: Record<string, string>, more: World): Promise<Recording<Record<string, unknown>>> {
  const config = { "gcp:project": "my-project", ...settings };
  return record(program, { config, calls: IMAGE_CALL, stack: "dev", ...more });
}

test("a foundation that does not fit ends the program before anything is registered", async () => {
  const cases: [Record<string, string>, unknown, string, RegExp][] = [
    [{}, FOUNDATION_OUTPUT, "mlt-eve", /knows no student mlt-eve in its mltraining:students \(mlt-ann, mlt-bob\)/],
    [
      { "gcp:project": "other-project" },
      FOUNDATION_OUTPUT,
      "mlt-ann",
      /is in project my-project, this one in other-project/,
    ],
    [
      { "gcp:region": "asia-east1" },
      FOUNDATION_OUTPUT,
      "mlt-ann",
      /has no subnet in asia-east1, only in us-central1, us-east1/,
    ],
    [
      { "mltraining:workstation": "true" },
      { ...FOUNDATION_OUTPUT, network: undefined },
      "mlt-ann",
      /does not tell its network, which a workstation needs; run pulumi up on it/,
    ],
    [
      { "mltraining:workstation": '{"zone":"asia-east1-a"}' },
      FOUNDATION_OUTPUT,
      "mlt-ann",
      /has no subnet in asia-east1, only in us-central1, us-east1/,
    ],
    [{}, undefined, "mlt-ann", /stack organization\/mltraining\/base has no output "foundation"/],
    [{}, { students: [] }, "mlt-ann", /has an output "foundation" of another shape/],
  ];
  for (const [settings, output, name, message] of cases) {
    const seen: string[] = [];
    await assert.rejects(
      run(
        { "mltraining:scope": "student", "mltraining:environment": name, "mltraining:foundation": "base", ...settings },
        {
          state: ({ type }) => {
            seen.push(type);
            return { outputs: output === undefined ? {} : { foundation: output }, secretOutputNames: [] };
          },
        },
      ),
      (error: Error) => pulumi.RunError.isInstance(error) && message.test(error.message),
      String(message),
    );
    assert.deepEqual(seen, ["pulumi:pulumi:StackReference"]);
  }
});
