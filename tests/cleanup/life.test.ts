// The real engine brings an environment up, a machine trains in it, the engine takes it down; `mlt clean` says at each
// step exactly what stands, and brings the data back in the end.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { createEnvironment, type LiveEnvironment } from "../e2e/environment.ts";

let live: LiveEnvironment;
before(async () => {
  live = await createEnvironment([{ name: "clean", config: { "mltraining:environment": "mlt-clean" } }]);
});
after(() => live?.close());

interface Found {
  clean: boolean;
  items: { kind: string; name: string; environment: string; place: string; past?: string; live?: true }[];
  softDeleted: { name: string; until: string }[];
  lookalikes: unknown[];
  gaps: unknown[];
}

/** `mlt clean --check`, without the environment's bucket: its project comes from the variables. */
async function check(expected: number, ...args: string[]): Promise<Found> {
  const { code, stdout, stderr } = await live.mlt("clean", "--check", "--json", ...args).ended;
  assert.equal(code, expected, `${stderr}\n${stdout}`);
  return JSON.parse(stdout) as Found;
}

/** What the engine made, by the local cloud's own list: kinds and names as `mlt clean` says them. */
async function standing(): Promise<string[]> {
  const kinds: Record<string, string> = {
    "compute.networks": "network",
    "compute.subnetworks": "subnetwork",
    "compute.routers": "router",
    "compute.firewalls": "firewall",
    "compute.instanceTemplates": "template",
    "compute.instances": "machine",
    "compute.disks": "disk",
    "storage.buckets": "bucket",
    "iam.serviceAccounts": "serviceAccount",
    "iam.roles": "role",
  };
  const left = await live.left();
  return Object.entries(left)
    .flatMap(([kind, names]) => names.map((name) => `${kinds[kind] ?? kind} ${name.split("/").at(-1)}`))
    .sort();
}

const found = ({ items }: Found) =>
  items
    .map(({ kind, name }) => `${kind} ${name}`)
    .filter((name) => !/^binding /.test(name))
    .sort();

const hashes = new Map<string, string>();
const objects = async (): Promise<string[]> => {
  const url = `${live.cloud.operatorUrl}/storage/v1/b/${live.buckets.data}/o`;
  const list = (await (await fetch(url)).json()) as { items?: { name: string }[] };
  return (list.items ?? []).map(({ name }) => name);
};
const hash = async (name: string): Promise<string> => {
  const url = `${live.cloud.operatorUrl}/storage/v1/b/${live.buckets.data}/o/${encodeURIComponent(name)}?alt=media`;
  return createHash("sha256")
    .update(Buffer.from(await (await fetch(url)).arrayBuffer()))
    .digest("hex");
};

test("after up: exactly what the engine made, and nothing is past", async () => {
  const all = await check(1);
  assert.deepEqual(found(all), await standing());
  assert.ok(all.items.every(({ environment, past }) => environment === "mlt-clean" && past === undefined));
  assert.deepEqual(
    all.items
      .filter(({ kind }) => kind === "binding")
      .map(({ name }) => name.replace(/_[0-9a-f]{7} /, " "))
      .sort(),
    [
      `mlt_clean_selfDelete of mlt-clean-machines@${live.cloud.project}.iam.gserviceaccount.com`,
      `mlt_clean_watchOperations of mlt-clean-machines@${live.cloud.project}.iam.gserviceaccount.com`,
    ],
  );
  assert.deepEqual([all.lookalikes, all.gaps, all.softDeleted], [[], [], []]);
});

test("while a training runs its machine is there by right, and goes by itself", async () => {
  const trainer = [
    "import os, pathlib, time",
    "out = pathlib.Path(os.environ['OUTPUT_DIR'])",
    "(out / 'model.bin').write_bytes(os.urandom(300_000))",
    "print('trained', flush=True)",
    "time.sleep(8)",
  ].join("\n");
  const run = await live.detached(live.pack("cleaned", trainer));
  await live.until(run, ({ phase }) => phase === "running");
  const during = await check(1, "mlt-clean");
  const machine = during.items.find(({ kind }) => kind === "machine");
  assert.deepEqual([machine?.live, machine?.past], [true, undefined]);
  assert.deepEqual(found(during), await standing());
  const past = await live.mlt("clean", "--delete", "--yes").ended;
  assert.equal(past.code, 0, past.stderr);
  assert.match(past.stdout, /^There is nothing to remove\./);

  await live.until(run, ({ phase }) => phase === "succeeded");
  await live.withoutMachine(run);
  const afterwards = await check(1);
  assert.deepEqual(found(afterwards), await standing());
  assert.ok(afterwards.items.every(({ kind }) => kind !== "machine" && kind !== "disk"));
});

test("after destroy nothing is left but the soft-deleted bucket, with its day", async () => {
  for (const name of await objects()) hashes.set(name, await hash(name));
  assert.ok(
    [...hashes.keys()].some((name) => name.endsWith("output/model.bin")),
    [...hashes.keys()].join(", "),
  );
  await live.destroy();
  const end = await check(0);
  assert.deepEqual([end.clean, end.items, end.lookalikes, end.gaps], [true, [], [], []]);
  assert.deepEqual(
    end.softDeleted.map(({ name }) => name),
    [live.buckets.data],
  );
  const days = (Date.parse(end.softDeleted[0]?.until ?? "") - Date.now()) / 86_400_000;
  assert.ok(days > 6.9 && days <= 7, String(days));
});

test("--restore brings the data back, byte for byte; then it is left again, and goes when it is named", async () => {
  const restored = await live.mlt("clean", "--restore", live.buckets.data).ended;
  assert.equal(restored.code, 0, restored.stderr);
  const back = new Map<string, string>();
  for (const name of await objects()) back.set(name, await hash(name));
  assert.deepEqual([...back].sort(), [...hashes].sort());
  assert.deepEqual(found(await check(1)), [`bucket ${live.buckets.data}`]);
  const gone = await live.mlt("clean", "mlt-clean", "--delete", "--include-data", "--yes").ended;
  assert.equal(gone.code, 0, gone.stderr);
  await check(0);
});
