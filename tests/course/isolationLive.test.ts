import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Answer, type Classroom, openClassroom, type Seat, seat } from "./classroom.ts";

// Two students of one project, each with tokens of their own, in the local cloud: what is another's is refused, what is
// one's own works.

const ZONE = "us-central1-a";

let room: Classroom;
let pairs: [Seat, Seat][];
/** Of each student a machine that runs, and an image. */
const machines = new Map<string, string>();

before(async () => {
  room = await openClassroom(2);
  const [ann, ben] = [seat(room, 0), seat(room, 1)];
  pairs = [
    [ann, ben],
    [ben, ann],
  ];
});
after(() => room.close());

const zone = () => `compute/v1/projects/${room.project}/zones/${ZONE}`;
const templateOf = ({ environment }: Seat) => String(environment.training?.templates["us-central1"]);
const fromTemplate = (owner: Seat) =>
  `${zone()}/instances?sourceInstanceTemplate=${encodeURIComponent(`projects/${room.project}/global/instanceTemplates/${templateOf(owner)}`)}`;
const runName = ({ place }: Seat, word: string) => `${place.environment}-run-${word}`;
const upload = (bucket: string, name: string) =>
  `upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}`;
const object = (bucket: string, name: string) => `storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`;

async function done(answer: Answer): Promise<void> {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { body } = await room.operator("POST", `${zone()}/operations/${answer.body.name}/wait`);
  assert.equal(body.error, undefined, JSON.stringify(body.error));
}

test("each makes a machine of the own template, with the account's token that the person gets", async () => {
  for (const [mine] of pairs) {
    const path = `iamcredentials/v1/projects/-/serviceAccounts/${mine.account}:generateAccessToken`;
    const scope = ["https://www.googleapis.com/auth/cloud-platform"];
    const { status, body } = await mine.call("person", "POST", path, { scope });
    assert.equal(status, 200);
    assert.match(String(body.accessToken), /^ya29\./);
    const name = runName(mine, "20261121080000-ab12-a01");
    await done(await mine.call("account", "POST", fromTemplate(mine), { name }));
    machines.set(mine.place.id, name);
    const image = {
      name: `${mine.place.environment}-img-1`,
      sourceImage: "projects/debian-cloud/global/images/family/debian-12",
    };
    const { status: made } = await room.operator("POST", `compute/v1/projects/${room.project}/global/images`, image);
    assert.equal(made, 200);
  }
});

type Call = [method: string, path: string, body?: unknown];

/** Calls on what `other` has, whoever makes them. */
function callsOn(other: Seat, caller: Seat): Call[] {
  const machine = `${zone()}/instances/${machines.get(other.place.id)}`;
  const station = `${zone()}/instances/${other.place.environment}-ws`;
  const disk = `${zone()}/disks/${machines.get(other.place.id)}`;
  const global = `compute/v1/projects/${room.project}/global`;
  const image = `${global}/images/${other.place.environment}-img-1`;
  const account = `iam/v1/projects/${room.project}/serviceAccounts/${other.account}`;
  const { data, scratch } = other.environment.buckets;
  const ofMachine = (path: string): Call[] => [
    ["GET", path],
    ["DELETE", path],
    ["POST", `${path}/setMetadata`, { items: [{ key: "startup-script", value: "#!/bin/sh" }] }],
    ["POST", `${path}/reset`],
    ["POST", `${path}/start`],
    ["POST", `${path}/stop`],
    ["POST", `${path}/setLabels`, { labels: {} }],
    ["POST", `${path}/setServiceAccount`, { email: caller.account, scopes: [] }],
    ["POST", `${path}/setMachineType`, { machineType: `zones/${ZONE}/machineTypes/e2-standard-8` }],
    ["GET", `${path}/serialPort`],
    ["GET", `${path}/getIamPolicy`],
    ["POST", `${path}/setIamPolicy`, { policy: {} }],
  ];
  return [
    ...ofMachine(machine),
    ...ofMachine(station),
    ["GET", disk],
    ["DELETE", disk],
    ["POST", `${disk}/resize`, { sizeGb: "500" }],
    ["POST", `${zone()}/disks`, { name: runName(other, "disk"), sizeGb: "10" }],
    ["GET", image],
    ["DELETE", image],
    ["GET", `${global}/instanceTemplates/${templateOf(other)}`],
    ["DELETE", `${global}/instanceTemplates/${templateOf(other)}`],
    ["POST", fromTemplate(other), { name: runName(caller, "foreign-template") }],
    ["POST", fromTemplate(caller), { name: runName(other, "foreign-name") }],
    ["POST", fromTemplate(caller), { name: `${other.place.environment}-ws2` }],
    ["GET", account],
    ["GET", `${account}/keys`],
    ["POST", `${account}:getIamPolicy`],
    ["POST", `${account}:setIamPolicy`, { policy: {} }],
    [
      "POST",
      `iamcredentials/v1/projects/-/serviceAccounts/${other.account}:generateAccessToken`,
      { scope: ["https://www.googleapis.com/auth/cloud-platform"] },
    ],
    [
      "POST",
      `iap/v1/projects/${room.project}/iap_tunnel/zones/${ZONE}/instances/${other.place.environment}-ws:getIamPolicy`,
      {},
    ],
    ...[data, scratch].flatMap((bucket): Call[] => [
      ["GET", `storage/v1/b/${bucket}`],
      ["GET", `storage/v1/b/${bucket}/o`],
      ["GET", `storage/v1/b/${bucket}/iam`],
      ["DELETE", `storage/v1/b/${bucket}`],
      ["GET", `${object(bucket, "environment.json")}?alt=media`],
      ["DELETE", object(bucket, "environment.json")],
      ["POST", upload(bucket, "input/theirs.csv"), "x"],
      ["POST", upload(bucket, "runs/r/status.json"), "{}"],
    ]),
  ];
}

/** What belongs to the project, and to nobody's path. */
function callsOnProject(caller: Seat): Call[] {
  const project = `compute/v1/projects/${room.project}`;
  return [
    ["GET", `${zone()}/instances`],
    ["GET", `${project}/aggregated/instances`],
    ["GET", `${project}/aggregated/disks`],
    ["GET", `${project}/global/instanceTemplates`],
    ["POST", `${project}/setCommonInstanceMetadata`, { items: [] }],
    [
      "POST",
      `${project}/global/firewalls`,
      { name: `${caller.place.environment}-run-open`, network: "global/networks/x" },
    ],
    ["POST", `crm/v1/projects/${room.project}:getIamPolicy`, {}],
    ["POST", `crm/v1/projects/${room.project}:setIamPolicy`, { policy: {} }],
    ["GET", `iam/v1/projects/${room.project}/serviceAccounts`],
    ["POST", `iam/v1/projects/${room.project}/serviceAccounts`, { accountId: "another" }],
    ["GET", `storage/v1/b?project=${room.project}`],
    ["POST", `storage/v1/b?project=${room.project}`, { name: "another-bucket-of-mine" }],
  ];
}

test("every call on what is another's is refused, to the person and to the account", async (t) => {
  let calls = 0;
  for (const [mine, other] of pairs) {
    for (const as of ["person", "account"] as const) {
      for (const [method, path, body] of [...callsOn(other, mine), ...callsOnProject(mine)]) {
        // A route that the local cloud lacks would refuse everybody: the owner must get another answer.
        const { status } = await mine.call(as, method, path, body);
        calls += 1;
        if (path.endsWith("/keys") && status === 501) continue;
        assert.equal(status, 403, `${as} ${mine.place.id}: ${method} ${path}`);
      }
    }
  }
  t.diagnostic(`${calls} calls on others' things, all refused`);
});

test("a machine may not run as another's account, have a public address, another's image, or another's disk", async () => {
  for (const [mine, other] of pairs) {
    const subnet = `projects/${room.project}/regions/us-central1/subnetworks`;
    const { body } = await room.operator("GET", `compute/v1/projects/${room.project}/regions/us-central1/subnetworks`);
    const [{ name: subnetName } = { name: "" }] = body.items as { name: string }[];
    const subnetwork = `${subnet}/${subnetName}`;
    const base = { name: runName(mine, "odd") };
    const foreign = {
      ...base,
      serviceAccounts: [{ email: other.account, scopes: ["https://www.googleapis.com/auth/cloud-platform"] }],
    };
    // Google's word for a missing actAs is 400 here (localcloud/services/compute/context.ts).
    const acting = await mine.call("account", "POST", fromTemplate(mine), foreign);
    assert.equal(acting.status, 400);
    assert.match(JSON.stringify(acting.body), /does not have access to service account/);
    const open = { ...base, networkInterfaces: [{ subnetwork, accessConfigs: [{ type: "ONE_TO_ONE_NAT" }] }] };
    const answers = [
      await mine.call("account", "POST", fromTemplate(mine), open),
      await mine.call("account", "POST", fromTemplate(mine), {
        ...base,
        disks: [
          {
            boot: true,
            initializeParams: {
              sourceImage: `projects/${room.project}/global/images/${other.place.environment}-img-1`,
            },
          },
        ],
      }),
      await mine.call("account", "POST", fromTemplate(mine), {
        ...base,
        disks: [{ boot: true, source: `projects/${room.project}/zones/${ZONE}/disks/${machines.get(other.place.id)}` }],
      }),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [403, 403, 403],
    );
    const [one = ""] = [JSON.stringify(answers[0]?.body)];
    assert.match(one, /compute\.subnetworks\.useExternalIp/);
  }
});

test("nobody's tunnel leads to another's workstation", async () => {
  for (const [mine, other] of pairs) {
    for (const as of ["person", "account"] as const) {
      const asked = async (owner: Seat) => {
        const path = `iap/v1/projects/${room.project}/iap_tunnel/zones/${ZONE}/instances/${owner.place.environment}-ws:testIamPermissions`;
        return (await mine.call(as, "POST", path, { permissions: ["iap.tunnelInstances.accessViaIAP"] })).body;
      };
      assert.deepEqual(await asked(other), {});
      assert.deepEqual(await asked(mine), { permissions: ["iap.tunnelInstances.accessViaIAP"] });
      const login = async (owner: Seat) => {
        const path = `${zone()}/instances/${owner.place.environment}-ws/testIamPermissions`;
        return (await mine.call(as, "POST", path, { permissions: ["compute.instances.osAdminLogin"] })).body;
      };
      assert.deepEqual(await login(other), {});
      assert.deepEqual(await login(mine), { permissions: ["compute.instances.osAdminLogin"] });
    }
  }
});

test("what is one's own works", async () => {
  for (const [mine] of pairs) {
    const { data, scratch } = mine.environment.buckets;
    const machine = `${zone()}/instances/${machines.get(mine.place.id)}`;
    const station = `${zone()}/instances/${mine.place.environment}-ws`;
    const ok = async (as: "person" | "account", ...[method, path, body]: Call) => {
      const { status, body: said } = await mine.call(as, method, path, body);
      assert.equal(status, 200, `${method} ${path}: ${JSON.stringify(said)}`);
    };
    await ok("person", "POST", upload(data, "input/a.csv"), "1");
    await ok("person", "GET", `${object(data, "environment.json")}?alt=media`);
    await ok("person", "GET", `storage/v1/b/${data}/o`);
    await ok("person", "POST", upload(scratch, "x"), "1");
    await ok("account", "POST", upload(data, "runs/r/log.txt"), "1");
    await ok("account", "GET", machine);
    await ok("account", "GET", `${machine}/serialPort`);
    await ok("account", "GET", station);
    await done(await mine.call("account", "POST", `${station}/stop`));
    await done(await mine.call("account", "POST", `${station}/start`));
    await done(await mine.call("account", "DELETE", machine));
    // The course's own words in the bucket are the instructor's.
    for (const name of ["environment.json", "course-notice.txt"]) {
      assert.equal((await mine.call("person", "POST", upload(data, name), "{}")).status, 403, name);
      assert.equal((await mine.call("person", "DELETE", object(data, name))).status, 403, name);
    }
  }
});

test("who is frozen keeps the data and starts nothing; thawed, everything is as before", async () => {
  const ann = seat(room, 0);
  await room.freeze(true);
  const name = runName(ann, "frozen");
  const insert = () => ann.call("account", "POST", fromTemplate(ann), { name });
  const station = `${zone()}/instances/${ann.place.environment}-ws`;
  assert.equal((await insert()).status, 403);
  assert.equal((await ann.call("account", "POST", `${station}/start`)).status, 403);
  assert.equal(
    (await ann.call("person", "GET", `${object(ann.environment.buckets.data, "input/a.csv")}?alt=media`)).status,
    200,
  );
  await room.freeze(false);
  await done(await insert());
  // A machine that runs while its owner is frozen still ends itself.
  await room.freeze(true);
  await done(await ann.call("account", "DELETE", `${zone()}/instances/${name}`));
});
