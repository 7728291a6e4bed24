import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inventory } from "../../cleanup/inventory.ts";
import { chosen, planRemoval, sumOf, verdict } from "../../cleanup/verdict.ts";
import { marked } from "../../components/marks.ts";
import { type Bench, names, openBench, PROJECT, REGION, ZONE } from "./bench.ts";

const RUN = "run-20261121080000-0001-a01";
let bench: Bench;
const closing: (() => unknown)[] = [];

before(async () => {
  bench = await openBench({ after: (close) => closing.push(close as () => unknown) });
  const subnetwork = await bench.network("ml-a");
  await bench.machine("ml-a", subnetwork, `ml-a-${RUN}`);
  await bench.bucket("ml-a", "ml-a-data-0123abc");
  await bench.put("ml-a-data-0123abc", "input/x", Buffer.alloc(1 << 20));
  await bench.identity("ml-a");
  const address = { name: "ml-a-nat", labels: { "mlt-environment": "ml-a" } };
  await bench.compute("POST", `regions/${REGION}/addresses`, address);
  await bench.compute("POST", `regions/${REGION}/resourcePolicies`, {
    name: "ml-a-night-0123abc",
    description: marked("Stops at night", "ml-a"),
    instanceSchedulePolicy: { vmStopSchedule: { schedule: "0 20 * * *" }, timeZone: "UTC" },
  });
  await bench.compute("POST", "global/firewalls", {
    name: "ml-a-ssh-0123abc",
    description: marked("SSH", "ml-a"),
    network: `projects/${PROJECT}/global/networks/ml-a-0123abc`,
    allowed: [{ IPProtocol: "tcp", ports: ["22"] }],
    sourceRanges: ["35.235.240.0/20"],
  });
  await bench.compute("POST", `regions/${REGION}/routers`, {
    name: `ml-a-${REGION}-0123abc`,
    description: marked("The way out", "ml-a"),
    network: `projects/${PROJECT}/global/networks/ml-a-0123abc`,
  });
  for (const place of ["global", `regions/${REGION}`]) {
    await bench.compute(
      "POST",
      `${place}/instanceTemplates`,
      template(`ml-a-${place === "global" ? "g" : "r"}-0123abc`),
    );
  }
});
after(async () => {
  for (const close of closing) await close();
});

function template(name: string): Record<string, unknown> {
  const image = "projects/debian-cloud/global/images/family/debian-12";
  return {
    name,
    properties: {
      machineType: "e2-standard-2",
      disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: image } }],
      networkInterfaces: [{ subnetwork: `projects/${PROJECT}/regions/${REGION}/subnetworks/ml-a-${REGION}-0123abc` }],
      labels: { "mlt-environment": "ml-a" },
    },
  };
}

describe("what is ours", () => {
  test("every kind is found, with its place and its cost per month", async () => {
    const { items, gaps, lookalikes, softDeleted } = await inventory(PROJECT);
    const email = `ml-a-machines@${PROJECT}.iam.gserviceaccount.com`;
    assert.deepEqual(
      items.map(({ kind, environment, name, place, perMonth }) => [kind, environment, name, place, perMonth]).sort(),
      [
        ["address", "ml-a", "ml-a-nat", REGION, 7.3],
        ["binding", "ml-a", `ml_a_selfDelete_0123abc of ${email}`, "global", 0],
        ["bucket", "ml-a", "ml-a-data-0123abc", REGION, 0],
        ["disk", "ml-a", `ml-a-${RUN}`, ZONE, 2],
        ["firewall", "ml-a", "ml-a-ssh-0123abc", "global", 0],
        ["machine", "ml-a", `ml-a-${RUN}`, ZONE, 48.91],
        ["network", "ml-a", "ml-a-0123abc", "global", 0],
        ["role", "ml-a", "ml_a_selfDelete_0123abc", "global", 0],
        ["router", "ml-a", `ml-a-${REGION}-0123abc`, REGION, 0],
        ["schedule", "ml-a", "ml-a-night-0123abc", REGION, 0],
        ["serviceAccount", "ml-a", email, "global", 0],
        ["subnetwork", "ml-a", `ml-a-${REGION}-0123abc`, REGION, 0],
        ["template", "ml-a", "ml-a-g-0123abc", "global", 0],
        ["template", "ml-a", "ml-a-r-0123abc", REGION, 0],
      ],
    );
    assert.deepEqual({ gaps, lookalikes, softDeleted }, { gaps: [], lookalikes: [], softDeleted: [] });
    assert.deepEqual(sumOf(items), { perMonth: 58.21, atLeast: false });
    assert.deepEqual(sumOf([...items, { ...items[0]!, perMonth: undefined }]), { perMonth: 58.21, atLeast: true });
  });

  test("a machine inside its time is no reason to remove anything, named or not it is all left", async () => {
    const all = await inventory(PROJECT);
    assert.deepEqual(chosen(all), []);
    const machine = all.items.find(({ kind }) => kind === "machine");
    assert.equal(machine?.live, true);
    const { code, left, complete } = verdict(all);
    assert.deepEqual([code, left.length, complete], [1, 14, true]);
    assert.equal(chosen(await inventory(PROJECT, { environment: "ml-a" })).length, 14);
  });

  test("an environment whose name begins another's matches nothing of it, nor the other way round", async () => {
    await bench.bucket("ml-a-b", "ml-a-b-data-0123abc");
    await bench.call("POST", `iam/v1/projects/${PROJECT}/serviceAccounts`, {
      accountId: "ml-a-b-machines",
      serviceAccount: { description: marked("x", "ml-a-b") },
    });
    const longer = await inventory(PROJECT, { environment: "ml-a-b" });
    assert.deepEqual(names(longer.items), [
      "bucket ml-a-b-data-0123abc",
      `serviceAccount ml-a-b-machines@${PROJECT}.iam.gserviceaccount.com`,
    ]);
    const shorter = await inventory(PROJECT, { environment: "ml-a" });
    assert.equal(shorter.items.length, 14);
    assert.deepEqual(
      shorter.items.filter(({ name }) => name.startsWith("ml-a-b")),
      [],
    );
    assert.deepEqual((await inventory(PROJECT, { environment: "ml" })).items, []);
  });

  test("what looks like ours without a mark, or with a mark and a foreign name, is shown apart and never chosen", async () => {
    await bench.compute("POST", "global/networks", { name: "ml-a-7654321", autoCreateSubnetworks: false });
    await bench.compute("POST", "global/networks", { name: "ml-a-lab", autoCreateSubnetworks: false });
    await bench.compute("POST", "global/networks", {
      name: "other-net",
      description: marked("copied", "ml-a"),
      autoCreateSubnetworks: false,
    });
    await bench.bucket("", "ml-a-scratch-7654321", { labels: { team: "x" } });
    const found = await inventory(PROJECT, { environment: "ml-a" });
    assert.deepEqual(found.lookalikes.map(({ kind, name, why }) => `${kind} ${name}: ${why}`).sort(), [
      "bucket ml-a-scratch-7654321: its name looks like ours, but it carries no label and no mark",
      "network ml-a-7654321: its name looks like ours, but it carries no label and no mark",
      "network other-net: its description says environment ml-a, its name does not",
    ]);
    assert.equal(found.items.length, 14);
    const { remove } = planRemoval(found, { includeData: true });
    assert.ok(remove.every(({ name }) => !/7654321|other-net|lab/.test(name)));
  });

  test("a role of ours is ours whoever has it: a deleted account, a stranger, a person; of other roles only our accounts'", async () => {
    await bench.identity("base", "ann-01");
    const email = `ann-01-machines@${PROJECT}.iam.gserviceaccount.com`;
    await bench.call("DELETE", `iam/v1/projects/${PROJECT}/serviceAccounts/${email}`);
    await bench.call("POST", `iam/v1/projects/${PROJECT}/serviceAccounts`, { accountId: "deployer" });
    const role = `projects/${PROJECT}/roles/base_selfDelete_0123abc`;
    const deployer = `deployer@${PROJECT}.iam.gserviceaccount.com`;
    for (const member of [`serviceAccount:${deployer}`, "user:ann@example.com"]) await bench.bind(role, member);
    await bench.bind("roles/viewer", `serviceAccount:${deployer}`);
    const { items } = await inventory(PROJECT, { environment: "base" });
    assert.deepEqual(names(items), [
      `binding base_selfDelete_0123abc of ${email} (deleted)`,
      `binding base_selfDelete_0123abc of ${deployer}`,
      "binding base_selfDelete_0123abc of user:ann@example.com",
      "role base_selfDelete_0123abc",
    ]);
  });
});
