import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OPERATION_PERMISSIONS } from "../../components/selfDeleteRoles.ts";
import { STUDENT_PERMISSIONS } from "../../components/studentRights.ts";
import { OPEN_PROJECT_PERMISSIONS } from "../../components/workstationRoles.ts";
import type { RunStatus } from "../../training/contract.ts";
import { STATUS_OBJECT } from "../../workstation/status.ts";
import { type Classroom, openClassroom, type Seat, seat } from "./classroom.ts";

// The whole path of a student, walked with the student's own token; what IAM was asked on it is what the roles must hold.

let room: Classroom;
let ann: Seat;

before(async () => {
  room = await openClassroom(1);
  ann = seat(room, 0);
  room.asked.splice(0);
});
after(() => room.close());

async function ran(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ann.mlt(...args);
  assert.equal(code, 0, `mlt ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function train(): Promise<string> {
  const out = await ran("train", pack, "--detach", "--yes", "--json");
  return (JSON.parse(out) as RunStatus).id;
}

let pack: string;

test("a student puts data, trains, looks, cancels, and uses the workstation", async () => {
  pack = room.file("pack/training.yaml", "command: python3 train.py\ninputs: [a.csv]\n").replace("/training.yaml", "");
  room.file("pack/train.py", "print(1)\n");
  room.file("pack/requirements.txt", "");
  const input = room.file("a.csv", "1,2\n");
  const url = `gs://${ann.environment.buckets.data}`;
  assert.match(await ran("use", url), /ml26-s001/);
  await ran("put", input, "input/");
  assert.match(await ran("ls", "input"), /a\.csv/);

  const cancelled = await train();
  assert.match(await ran("cancel", cancelled), /cancelled/);
  const id = await train();
  assert.match(await ran("runs"), new RegExp(id));
  assert.match(await ran("status", id), /provisioning/);
  // The machine, which boots nothing here, speaks once, with its own token, and is silent from then on.
  const { data, scratch } = ann.environment.buckets;
  const object = `runs/${id}/status.json`;
  const status = (await ann.call("account", "GET", `storage/v1/b/${data}/o/${encodeURIComponent(object)}?alt=media`))
    .body as unknown as RunStatus;
  const long = new Date(Date.now() - 120_000).toISOString();
  const upload = (bucket: string, name: string) =>
    `upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}`;
  const silent = { ...status, phase: "running", heartbeat: long, times: { submitted: long, running: long } };
  assert.equal((await ann.call("account", "POST", upload(data, object), silent)).status, 200);
  assert.equal(
    (await ann.call("account", "POST", upload(scratch, `runs/${id}/attempt-1/log/000001.txt`), "hello\n")).status,
    200,
  );
  assert.match(await ran("logs", id), /hello/);
  assert.match(await ran("status", id), /running/);
  // It deletes itself, and nobody says what became of it.
  const machine = `compute/v1/projects/${room.project}/zones/${status.machine?.zone}/instances/${status.machine?.name}`;
  const deletion = await ann.call("account", "DELETE", machine);
  assert.equal(deletion.status, 200);
  const { name } = deletion.body as { name: string };
  assert.equal((await ann.call("account", "GET", machine.replace(/instances\/.*/, `operations/${name}`))).status, 200);
  assert.match(await ran("status", id), /lost/);
  assert.equal((await ann.mlt("logs", id)).code, 0);
  assert.match(await ran("resume", id, "--detach"), new RegExp(id));
  await ran("cancel", id);
  await ran("fetch", id, "here");

  assert.match(await ran("status"), /ml26-s001-ws/);
  await ran("stop");
  await ran("start");
  await ran("serial");
  // The workstation says that it is ready, as its program does.
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const times = { bootedAt: now, readyAt: now, heartbeat: now };
  const steps = { phase: "ready", step: 7, steps: 7, name: "bucket", problems: [], bootId: "boot", jupyter: "running" };
  const ready = { schema: 1, machine: "ml26-s001-ws", bucket: data, ...steps, ...times };
  assert.equal((await ann.call("account", "POST", upload(data, STATUS_OBJECT), ready)).status, 200);
  // Nothing listens on a machine that boots nothing; everything before that is the right's.
  const { stderr } = await ann.mlt("ssh", "--", "true");
  assert.match(stderr, /--impersonate-service-account ml26-s001-machines@/);
  assert.match(stderr, /nothing listens on 22|4003|failed to connect to backend/i);
});

test("the roles hold what IAM was asked, and nothing else", (t) => {
  const account = `serviceAccount:${ann.account}`;
  const used = new Set(
    room.asked
      .filter(({ who, allowed, permission }) => who === account && allowed && !permission.startsWith("storage."))
      .map(({ permission }) => permission),
  );
  const held = new Set<string>([...STUDENT_PERMISSIONS, ...OPERATION_PERMISSIONS, ...OPEN_PROJECT_PERMISSIONS]);
  /** Granted on the account, the instance and its tunnel, not by the course's roles. */
  const onResources = [
    "iam.serviceAccounts.actAs",
    "iap.tunnelInstances.accessViaIAP",
    "compute.instances.osAdminLogin",
  ];
  const missing = [...used].filter((each) => !held.has(each) && !onResources.includes(each)).sort();
  const unused = [...held].filter((each) => !used.has(each)).sort();
  t.diagnostic(`${used.size} permissions asked of the account: ${[...used].sort().join(" ")}`);
  assert.deepEqual({ missing, unused }, { missing: [], unused: [] });
});

test("nothing on the path was refused but what mlt does without", () => {
  const refused = room.asked.filter(({ allowed }) => !allowed);
  const told = [...new Set(refused.map(({ who, permission }) => `${who.split(":")[0]} ${permission}`))].sort();
  assert.deepEqual(told, [
    // Who has taken a Spot machine back stands in the zone's operations, which are everybody's: the run is `lost` then,
    // and `mlt resume` goes on with it all the same.
    "serviceAccount compute.zoneOperations.list",
  ]);
});

test("the person asks for nothing but buckets and tokens of the one account", () => {
  const person = ann.student.member;
  const asked = new Set(room.asked.filter(({ who }) => who === person).map(({ permission }) => permission));
  const other = [...asked].filter(
    (each) => !each.startsWith("storage.objects.") && !each.startsWith("storage.multipartUploads."),
  );
  assert.deepEqual(other.sort(), ["iam.serviceAccounts.getAccessToken"]);
});
