// What `mlt course check` asks for: billing, organization policies, keys, quotas.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PROJECT, testCloud } from "../server/local.ts";

const ann = { kind: "user", email: "ann@example.com" } as const;

async function grant(cloud: Awaited<ReturnType<typeof testCloud>>, role: string): Promise<void> {
  const bindings = [{ role, members: ["user:ann@example.com"] }];
  const { status } = await cloud.call("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy: { bindings } });
  assert.equal(status, 200);
}

test("a project is billed until its account is taken away; who cannot see it is refused", async (t) => {
  const cloud = await testCloud(t);
  const path = `/billing/v1/projects/${PROJECT}/billingInfo`;
  assert.equal((await cloud.call("GET", path, undefined, ann)).status, 403);
  await grant(cloud, "roles/viewer");
  const info = { name: `projects/${PROJECT}/billingInfo`, projectId: PROJECT };
  assert.deepEqual((await cloud.call("GET", path, undefined, ann)).json, {
    ...info,
    billingAccountName: "billingAccounts/000000-000000-000000",
    billingEnabled: true,
  });
  assert.equal((await cloud.call("PUT", path, { billingAccountName: "" }, ann)).status, 403);
  const off = await cloud.call("PUT", path, { billingAccountName: "" });
  assert.deepEqual(off.json, { ...info, billingEnabled: false });
  assert.deepEqual((await cloud.call("GET", path)).json, { ...info, billingEnabled: false });
  assert.equal((await cloud.call("PUT", path, { billingAccountName: "mine" })).status, 400);
});

test("a policy of the project is in force; without one lists allow all and switches are off", async (t) => {
  const cloud = await testCloud(t);
  const at = (constraint: string) => `/orgpolicy/v2/projects/${PROJECT}/policies/${constraint}`;
  const effective = async (constraint: string) => {
    const { json } = await cloud.call<{ spec: { rules: unknown } }>("GET", `${at(constraint)}:getEffectivePolicy`);
    return json.spec.rules;
  };
  assert.deepEqual(await effective("iam.allowedPolicyMemberDomains"), [{ allowAll: true }]);
  assert.deepEqual(await effective("compute.requireOsLogin"), [{ enforce: false }]);
  const rules = [{ values: { allowedValues: ["C0abcdef"] } }];
  await grant(cloud, "roles/owner");
  const path = at("iam.allowedPolicyMemberDomains");
  assert.equal((await cloud.call("PATCH", path, { spec: { rules } }, ann)).status, 403, "owners set none");
  assert.equal((await cloud.call("PATCH", path, { spec: { rules } })).status, 200);
  const seen = await cloud.call<{ spec: { rules: unknown } }>("GET", `${path}:getEffectivePolicy`, undefined, ann);
  assert.deepEqual(seen.json.spec.rules, rules);
  assert.equal((await cloud.call("PATCH", path, { spec: { rules: [{ enforce: true }] } })).status, 400);
  assert.equal((await cloud.call("PATCH", path, { spec: { rules: [{ odd: true }] } })).status, 400);
  assert.equal((await cloud.call("DELETE", path)).status, 200);
  assert.deepEqual(await effective("iam.allowedPolicyMemberDomains"), [{ allowAll: true }]);
  assert.equal((await cloud.call("GET", path)).status, 404);
  assert.equal((await cloud.call("GET", `${at("compute.unheardOf")}:getEffectivePolicy`)).status, 501);
});

test("what a key has encrypted it decrypts, for who may; a changed byte is refused", async (t) => {
  const cloud = await testCloud(t);
  const rings = `/kms/v1/projects/${PROJECT}/locations/us-central1/keyRings`;
  const key = `${rings}/ring/cryptoKeys/state`;
  assert.equal((await cloud.call("GET", key)).status, 404);
  assert.equal((await cloud.call("POST", `${rings}/ring/cryptoKeys?cryptoKeyId=state`, {})).status, 404);
  assert.equal((await cloud.call("POST", `${rings}?keyRingId=ring`, {})).status, 200);
  assert.equal((await cloud.call("POST", `${rings}?keyRingId=ring`, {})).status, 409);
  const purpose = { purpose: "ENCRYPT_DECRYPT" };
  const made = await cloud.call("POST", `${rings}/ring/cryptoKeys?cryptoKeyId=state`, purpose);
  assert.deepEqual([made.status, made.json.secret], [200, undefined]);
  assert.equal((await cloud.call("POST", `${rings}/ring/cryptoKeys?cryptoKeyId=b`, { purpose: "MAC" })).status, 501);

  await grant(cloud, "roles/editor");
  const plaintext = Buffer.from("hello").toString("base64");
  assert.equal((await cloud.call("POST", `${key}:encrypt`, { plaintext }, ann)).status, 403);
  await grant(cloud, "roles/owner");
  const { json } = await cloud.call<{ ciphertext: string }>("POST", `${key}:encrypt`, { plaintext }, ann);
  assert.notEqual(json.ciphertext, plaintext);
  const back = await cloud.call("POST", `${key}:decrypt`, { ciphertext: json.ciphertext }, ann);
  assert.equal(back.json.plaintext, plaintext);
  const broken = Buffer.from(json.ciphertext, "base64");
  broken[20] = (broken[20] ?? 0) ^ 1;
  assert.equal((await cloud.call("POST", `${key}:decrypt`, { ciphertext: broken.toString("base64") })).status, 400);
});

test("regions and projects tell their quotas and what is used of them; the operator grants others", async (t) => {
  const cloud = await testCloud(t);
  interface Quotas {
    quotas: { metric: string; limit: number; usage: number }[];
  }
  const quota = async (path: string, metric: string) => {
    const { json } = await cloud.call<Quotas>("GET", `/compute/v1/projects/${PROJECT}${path}`);
    return json.quotas.find((each) => each.metric === metric);
  };
  assert.deepEqual(await quota("/regions/us-central1", "CPUS"), { metric: "CPUS", limit: 24, usage: 0 });
  assert.deepEqual(await quota("/regions/us-central1", "NVIDIA_L4_GPUS"), {
    metric: "NVIDIA_L4_GPUS",
    limit: 0,
    usage: 0,
  });
  assert.deepEqual(await quota("", "CPUS_ALL_REGIONS"), { metric: "CPUS_ALL_REGIONS", limit: 32, usage: 0 });

  const disk = { name: "data", sizeGb: "30", type: `projects/${PROJECT}/zones/us-central1-a/diskTypes/pd-balanced` };
  assert.equal(
    (await cloud.call("POST", `/compute/v1/projects/${PROJECT}/zones/us-central1-a/disks`, disk)).status,
    200,
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal((await quota("/regions/us-central1", "SSD_TOTAL_GB"))?.usage, 30);
  assert.equal((await quota("/regions/us-east1", "SSD_TOTAL_GB"))?.usage, 0);

  const more = { project: PROJECT, region: "us-central1", metric: "CPUS", limit: 400 };
  assert.equal((await cloud.call("POST", "/local/v1/quotas", more)).status, 200);
  assert.equal((await quota("/regions/us-central1", "CPUS"))?.limit, 400);
  assert.equal((await quota("/regions/us-east1", "CPUS"))?.limit, 24);
  for (const wrong of [
    { metric: "CPUS", limit: 1 },
    { metric: "CPUS_ALL_REGIONS", region: "us-east1" },
    { ...more, region: "x" },
  ]) {
    assert.equal((await cloud.call("POST", "/local/v1/quotas", wrong)).status, 400);
  }
});
