import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { OpenStack } from "../../engine/automation.ts";
import { createWorld, failure, type World } from "./world.ts";

// A foundation and two students on one project: each works with what is its own and is refused the other's.

let world: World;
const stacks: Record<string, OpenStack> = {};
const STUDENTS = ["anna", "boris"];
const ZONE = "us-central1-a";

before(async () => {
  world = await createWorld();
  const students = { "mltraining:scope": "foundation", "mltraining:students": STUDENTS };
  stacks.base = await world.open("base", { config: students });
  await stacks.base.up();
  for (const name of STUDENTS) {
    const config = { "mltraining:scope": "student", "mltraining:foundation": "base", "mltraining:environment": name };
    const workstation = name === "anna" ? { "mltraining:workstation": { dataDiskGb: 10 } } : {};
    stacks[name] = await world.open(name, { config: { ...config, ...workstation } });
    await stacks[name].up();
  }
});
after(() => world.close());

/** Calls the local cloud as a student's machines do: with a token of their service account. */
async function as(student: string, method: string, path: string, body?: string): Promise<number> {
  const email = await accountOf(student);
  const { access_token } = world.cloud.cloud.tokens.issue({ kind: "serviceAccount", email });
  const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
  const response = await fetch(`${world.cloud.url}/${path}`, { method, headers, body });
  await response.arrayBuffer();
  return response.status;
}

async function outputsOf(name: string): Promise<Record<string, unknown>> {
  const stack = stacks[name];
  assert.ok(stack, `the stack ${name} is up`);
  return stack.outputs();
}

async function accountOf(student: string): Promise<string> {
  const { foundation } = (await outputsOf("base")) as { foundation: { students: Record<string, string> } };
  return foundation.students[student] as string;
}

async function bucketOf(student: string): Promise<string> {
  const { dataBucketUrl } = (await outputsOf(student)) as { dataBucketUrl: string };
  return dataBucketUrl.replace("gs://", "");
}

const COMPUTE = "compute/v1/projects/local-project/zones";

/** Makes a machine as the operator, named as the student's launcher would. */
async function machineOf(student: string): Promise<string> {
  const name = `${student}-run-20261121080000-abcd-a01`;
  const { foundation } = (await outputsOf("base")) as { foundation: { subnetworks: Record<string, string> } };
  const body = JSON.stringify({
    name,
    machineType: `zones/${ZONE}/machineTypes/e2-standard-2`,
    disks: [
      {
        boot: true,
        autoDelete: true,
        initializeParams: { sourceImage: "projects/debian-cloud/global/images/family/debian-12" },
      },
    ],
    networkInterfaces: [{ subnetwork: foundation.subnetworks["us-central1"] }],
  });
  const headers = { "content-type": "application/json" };
  const url = `${world.cloud.operatorUrl}/${COMPUTE}/${ZONE}/instances`;
  const response = await fetch(url, { method: "POST", headers, body });
  assert.equal(response.status, 200, await response.text());
  return name;
}

test("a student's machines write their own bucket and are refused the other's", async () => {
  const [anna, boris] = [await bucketOf("anna"), await bucketOf("boris")];
  const upload = (bucket: string) => `upload/storage/v1/b/${bucket}/o?uploadType=media&name=runs/x/log.txt`;
  assert.equal(await as("anna", "POST", upload(anna), "{}"), 200);
  assert.equal(await as("anna", "GET", `storage/v1/b/${anna}/o`), 200);
  assert.equal(await as("anna", "POST", upload(boris), "{}"), 403);
  assert.equal(await as("anna", "GET", `storage/v1/b/${boris}/o`), 403);
  assert.equal(await as("boris", "GET", `storage/v1/b/${anna}/o/runs%2Fx%2Flog.txt?alt=media`), 403);
});

test("a student's machine deletes itself and nobody else's", async () => {
  const machine = await machineOf("boris");
  assert.equal(await as("anna", "DELETE", `${COMPUTE}/${ZONE}/instances/${machine}`), 403);
  assert.equal(await as("anna", "GET", `${COMPUTE}/${ZONE}/instances/${machine}`), 403);
  assert.equal(await as("boris", "GET", `${COMPUTE}/${ZONE}/instances/${machine}`), 200);
  assert.equal(await as("boris", "DELETE", `${COMPUTE}/${ZONE}/instances/${machine}`), 200);
});

test("students write nothing that belongs to the project", async () => {
  assert.ok(stacks.anna);
  const { steps } = await stacks.anna.destroy();
  const types = new Set(steps.map(({ type }) => type));
  for (const type of types) {
    assert.doesNotMatch(type, /projects\/|compute\/network|compute\/subnetwork|compute\/router|serviceaccount\//);
  }
});

test("one student who goes changes nothing of the other's, nor of the foundation", async () => {
  assert.ok(stacks.boris && stacks.base);
  await stacks.boris.preview({ expectNoChanges: true, refresh: true });
  await stacks.base.preview({ expectNoChanges: true, refresh: true });
  await stacks.boris.destroy();
  await stacks.base.destroy();
  assert.deepEqual(await world.left(), {});
});

test("a student whom the foundation does not know is told so, and nothing is made", async () => {
  const config = { "mltraining:scope": "foundation", "mltraining:students": STUDENTS };
  const base = await world.open("base", { config });
  await base.up();
  const clara = await world.open("clara", {
    config: { "mltraining:scope": "student", "mltraining:foundation": "base", "mltraining:environment": "clara" },
  });
  assert.match(
    (await failure(clara.up())).message,
    /knows no student clara in its mltraining:students \(anna, boris\)/,
  );
  assert.equal((await world.left())["storage.buckets"], undefined);
  await base.destroy();
});
