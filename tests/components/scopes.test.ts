import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Environment } from "../../training/contract.ts";
import { createWorld, type World } from "../engine/world.ts";

// A foundation and two students in the real engine: what each student's machines may do, asked of the local cloud with
// their own tokens.

const STUDENTS = ["mlt-ann", "mlt-bob"] as const;
type Student = (typeof STUDENTS)[number];
const ZONE = "us-central1-a";

let world: World;
const environments = new Map<Student, Environment>();

before(async () => {
  world = await createWorld({ enabledServices: "all" });
  await (await foundation([...STUDENTS])).up();
  for (const name of STUDENTS) {
    const { outputs } = await (await student(name)).up();
    const bucket = String(outputs.dataBucketUrl).replace("gs://", "");
    environments.set(
      name,
      (await (await call("GET", `storage/v1/b/${bucket}/o/environment.json?alt=media`)).json()) as Environment,
    );
  }
});
after(() => world.close());

const foundation = (students: string[]) =>
  world.open("base", {
    config: { "mltraining:scope": "foundation", "mltraining:environment": "course", "mltraining:students": students },
  });
const student = (name: Student) =>
  world.open(name.slice(4), { config: { "mltraining:scope": "student", "mltraining:foundation": "base" } });

function environment(name: Student): Environment {
  const found = environments.get(name);
  assert.ok(found);
  return found;
}

/** A call as a student's machine, or as the operator. */
function call(method: string, path: string, body?: unknown, as?: Student): Promise<Response> {
  const token =
    as &&
    world.cloud.cloud.tokens.issue({ kind: "serviceAccount", email: environment(as).serviceAccount }).access_token;
  return fetch(`${as ? world.cloud.url : world.cloud.operatorUrl}/${path}`, {
    method,
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

async function status(method: string, path: string, as: Student, body?: unknown): Promise<number> {
  const response = await call(method, path, body, as);
  await response.arrayBuffer();
  return response.status;
}

const write = (bucket: string, object: string, as: Student): Promise<number> =>
  status("POST", `upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(object)}`, as, {});
const read = (bucket: string, object: string, as: Student): Promise<number> =>
  status("GET", `storage/v1/b/${bucket}/o/${encodeURIComponent(object)}?alt=media`, as);

/** Makes a machine from a student's template, as the launcher does, and waits for it. */
async function machine(owner: Student, name: string): Promise<string> {
  const { project, training } = environment(owner);
  const zone = `compute/v1/projects/${project}/zones/${ZONE}`;
  const template = `projects/${project}/global/instanceTemplates/${training?.templates["us-central1"]}`;
  const response = await call("POST", `${zone}/instances?sourceInstanceTemplate=${encodeURIComponent(template)}`, {
    name,
  });
  const operation = (await response.json()) as { name?: string; error?: unknown };
  assert.equal(response.status, 200, JSON.stringify(operation));
  const waited = await call("POST", `${zone}/operations/${operation.name}/wait`);
  assert.equal(((await waited.json()) as { error?: unknown }).error, undefined);
  return `${zone}/instances/${name}`;
}

test("a student's machines use their own buckets and none of another's", async () => {
  for (const [mine, other] of [STUDENTS, [...STUDENTS].reverse()] as [Student, Student][]) {
    const own = environment(mine).buckets;
    const foreign = environment(other).buckets;
    assert.equal(await write(own.data, "runs/r-1/status.json", mine), 200);
    assert.equal(await write(own.scratch, "runs/r-1/attempt-1/log/000001.txt", mine), 200);
    assert.equal(await read(own.data, "environment.json", mine), 200);
    for (const bucket of [foreign.data, foreign.scratch]) {
      assert.equal(await write(bucket, "runs/r-1/status.json", mine), 403, bucket);
      assert.equal(await read(bucket, "environment.json", mine), 403, bucket);
      assert.equal(await status("GET", `storage/v1/b/${bucket}/o`, mine), 403, bucket);
    }
  }
});

test("a machine cannot change what it is given: inputs, code, its environment's record", async () => {
  const { data } = environment("mlt-ann").buckets;
  for (const object of ["input/census/adult.data", "code/abc.tar.gz", "environment.json"]) {
    assert.equal(await write(data, object, "mlt-ann"), 403, object);
  }
  assert.equal(await write(data, "output/census/model.joblib", "mlt-ann"), 200);
});

test("a student's machines delete machines of their own name and none of another's", async () => {
  const anns = await machine("mlt-ann", "mlt-ann-run-20261121080000-0001-a01");
  const bobs = await machine("mlt-bob", "mlt-bob-run-20261121080000-0002-a01");
  assert.equal(await status("DELETE", bobs, "mlt-ann"), 403);
  assert.equal(await status("GET", bobs, "mlt-ann"), 403);
  assert.equal(await status("DELETE", anns, "mlt-bob"), 403);
  assert.equal(await status("GET", anns, "mlt-ann"), 200);
  const deletion = await call("DELETE", anns, undefined, "mlt-ann");
  const { name } = (await deletion.json()) as { name: string };
  assert.equal(deletion.status, 200);
  const operation = anns.replace(/instances\/.*/, `operations/${name}`);
  assert.equal(await status("GET", operation, "mlt-ann"), 200);
  assert.equal(await status("DELETE", bobs, "mlt-bob"), 200);
});

test("a machine may not make machines of others' names, grant roles, or read the project's policy", async () => {
  const { project } = environment("mlt-ann");
  const zone = `compute/v1/projects/${project}/zones/${ZONE}`;
  for (const name of ["mlt-bob-run-x", "mlt-bob-ws", "mlt-ann", "mlt-ann-x", "mlt-ann-runx"]) {
    assert.equal(await status("POST", `${zone}/instances`, "mlt-ann", { name }), 403, name);
  }
  assert.equal(await status("POST", `crm/v1/projects/${project}:getIamPolicy`, "mlt-ann", {}), 403);
});

test("a second preview of every stack has nothing to do", async () => {
  await (await foundation([...STUDENTS])).preview({ expectNoChanges: true });
  for (const name of STUDENTS) await (await student(name)).preview({ expectNoChanges: true });
});

test("a student that leaves takes nothing of another's along, and nothing stays", async () => {
  await (await student("mlt-ann")).destroy();
  const { steps } = await (await foundation(["mlt-bob"])).up();
  // Components are told of their new lists; of real resources only the leaver's go.
  const touched = steps.filter(({ type }) => type.startsWith("gcp:")).map(({ op, name }) => `${op} ${name}`);
  assert.deepEqual(touched.sort(), [
    "delete course-ssh-mlt-ann",
    "delete mlt-ann-machines",
    "delete mlt-ann-open-project",
    "delete mlt-ann-self-delete",
    "delete mlt-ann-student",
    "delete mlt-ann-subnetwork-us-central1",
    "delete mlt-ann-watch-operations",
  ]);
  await (await student("mlt-bob")).preview({ expectNoChanges: true });
  assert.equal(await write(environment("mlt-bob").buckets.data, "runs/r-2/status.json", "mlt-bob"), 200);

  await (await student("mlt-bob")).destroy();
  await (await foundation(["mlt-bob"])).destroy();
  assert.deepEqual(await world.left(), {});
});
