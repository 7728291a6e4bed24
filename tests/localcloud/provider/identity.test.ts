import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, PROJECT, provider } from "./provider.ts";

const SERVICES = ["cloudresourcemanager", "compute", "iam", "iap", "storage"].map((name) => `${name}.googleapis.com`);

test("the provider's calls to enable services", async (t) => {
  const gcp = await provider(t, { "X-Goog-User-Project": PROJECT });
  const query = new URLSearchParams({
    fields: "services/name,nextPageToken",
    filter: "state:ENABLED",
    pageSize: "200",
  });
  const enabled = async () => {
    const list = await gcp.call<{ services?: { name: string }[] }>(
      "SERVICE_USAGE",
      "GET",
      `projects/${PROJECT}/services?${query}`,
    );
    return (list.services ?? []).map(({ name }) => name.split("/").at(-1));
  };
  assert.ok((await enabled()).length > 0);
  // What is asked for within three seconds goes into one call; one service alone has a call of its own.
  const many = await gcp.call("SERVICE_USAGE", "POST", `projects/${PROJECT}/services:batchEnable`, {
    serviceIds: SERVICES,
  });
  const one = await gcp.call("SERVICE_USAGE", "POST", `projects/${PROJECT}/services/${SERVICES[1]}:enable`, {});
  assert.deepEqual([many.done, one.done], [true, true], "an operation that is done needs no second look");
  const now = await enabled();
  assert.deepEqual(
    SERVICES.filter((name) => !now.includes(name)),
    [],
  );
  const project = await gcp.call("RESOURCE_MANAGER", "GET", `projects/${PROJECT}`);
  assert.deepEqual([project.projectId, project.lifecycleState], [PROJECT, "ACTIVE"]);
});

test("the provider's calls for a service account", async (t) => {
  const gcp = await provider(t);
  const email = `mlt-dev-machines@${PROJECT}.iam.gserviceaccount.com`;
  const name = `projects/${PROJECT}/serviceAccounts/${email}`;
  const description = "Reads inputs, writes runs, deletes its own machine (ml-training)";
  const body = {
    accountId: "mlt-dev-machines",
    serviceAccount: { description, displayName: "Training machines of mlt-dev" },
  };
  const made = await gcp.call("IAM_BETA", "POST", `projects/${PROJECT}/serviceAccounts`, body);
  assert.deepEqual([made.name, made.email, made.projectId], [name, email, PROJECT]);
  const read = await gcp.call("IAM_BETA", "GET", name);
  assert.deepEqual(
    [read.displayName, read.description, read.disabled],
    [body.serviceAccount.displayName, description, undefined],
  );
  await gcp.call("IAM_BETA", "PATCH", name, {
    serviceAccount: { description, displayName: "Other", etag: read.etag },
    updateMask: "display_name",
  });
  const changed = await gcp.call("IAM_BETA", "GET", name);
  assert.deepEqual([changed.displayName, changed.description], ["Other", description]);
  assert.deepEqual(await gcp.call("IAM_BETA", "DELETE", name), {});
  await gcp.call("IAM_BETA", "GET", name, undefined, 404);
});

test("the provider's calls for a custom role", async (t) => {
  const gcp = await provider(t);
  const name = `projects/${PROJECT}/roles/mlt_dev_selfDelete_0123abc`;
  const role = {
    description: "a training machine deletes itself (ml-training)",
    includedPermissions: ["compute.instances.delete", "compute.instances.get"],
    stage: "GA",
    title: "mlt-dev: a training machine deletes itself",
  };
  await gcp.call("IAM_BETA", "GET", name, undefined, 404);
  await gcp.call("IAM_BETA", "POST", `projects/${PROJECT}/roles`, { role, roleId: "mlt_dev_selfDelete_0123abc" });
  const assertRole = async (wanted: Json): Promise<Json> => {
    const read = await gcp.call("IAM_BETA", "GET", name);
    for (const [field, value] of Object.entries(wanted)) assert.deepEqual(read[field], value, field);
    return read;
  };
  assert.equal((await assertRole({ ...role, name })).deleted, undefined);
  const other = { ...role, includedPermissions: ["compute.instances.get"], title: "Another title" };
  await gcp.call("IAM_BETA", "PATCH", name, other);
  await assertRole(other);
  // A deleted role's id is blocked: the provider takes the role back instead of making it.
  assert.equal((await gcp.call("IAM_BETA", "DELETE", name)).deleted, true);
  await assertRole({ deleted: true });
  await gcp.call("IAM_BETA", "POST", `projects/${PROJECT}/roles`, { role, roleId: "mlt_dev_selfDelete_0123abc" }, 400);
  await gcp.call("IAM_BETA", "POST", `${name}:undelete`, {});
  await gcp.call("IAM_BETA", "PATCH", name, role);
  assert.equal((await assertRole(role)).deleted, undefined);
});

test("the provider's calls for members of the project's policy", async (t) => {
  const gcp = await provider(t);
  const member = `serviceAccount:${await gcp.cloud.account("mlt-dev-machines")}`;
  const role = { includedPermissions: ["compute.instances.delete"], stage: "GA", title: "t" };
  await gcp.call("IAM_BETA", "POST", `projects/${PROJECT}/roles`, { role, roleId: "mlt_dev_selfDelete_0123abc" });
  interface Policy {
    bindings?: { role: string; members: string[]; condition?: Json }[];
    etag: string;
  }
  const options = { requestedPolicyVersion: 3 };
  const read = () => gcp.call<Policy>("RESOURCE_MANAGER", "POST", `projects/${PROJECT}:getIamPolicy`, { options });
  const write = (bindings: Policy["bindings"], etag: string, status = 200) => {
    const body = { policy: { bindings, etag, version: 3 }, updateMask: "bindings,etag,auditConfigs" };
    return gcp.call("RESOURCE_MANAGER", "POST", `projects/${PROJECT}:setIamPolicy`, body, status);
  };
  const condition = {
    title: "mlt-dev machines only",
    description: "Machines whose names begin with mlt-dev-run-",
    expression:
      'resource.type == "compute.googleapis.com/Instance" && resource.name.extract("/instances/{name}").startsWith("mlt-dev-run-")',
  };
  const grant = { role: `projects/${PROJECT}/roles/mlt_dev_selfDelete_0123abc`, members: [member], condition };
  const { bindings = [], etag } = await read();
  await write([...bindings, grant], etag);
  await write(bindings, etag, 409);
  const after = await read();
  assert.deepEqual(
    after.bindings?.filter(({ members }) => members.includes(member)),
    [grant],
  );
  await write(
    after.bindings?.filter(({ members }) => !members.includes(member)),
    after.etag,
  );
  assert.deepEqual((await read()).bindings ?? [], bindings);
});
