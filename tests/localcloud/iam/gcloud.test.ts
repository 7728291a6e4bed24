import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { clientVariables } from "../../../cli/local/variables.ts";
import type { Policy } from "../../../localcloud/core/access.ts";
import { PROJECT, testCloud } from "../server/local.ts";

const run = promisify(execFile);

test("gcloud manages accounts, roles, policies and services by configuration alone", async (t) => {
  if (spawnSync("gcloud", ["--version"]).status !== 0) return t.skip("gcloud is not installed");
  const cloud = await testCloud(t, { enabledServices: ["iam.googleapis.com"] });
  const { local, folder } = cloud;
  const token = local.cloud.tokens.issue({ kind: "operator" }).access_token;
  const daemon = { ...local, pid: process.pid, startedAt: "", guest: "process" as const, token };
  const env = { ...process.env, ...clientVariables(daemon, { stateFolder: folder }) };
  const gcloud = async <T>(...parts: string[]): Promise<T> => {
    const { stdout } = await run("gcloud", [...parts, "--format=json", "--quiet"], { env });
    return (stdout.trim() === "" ? undefined : JSON.parse(stdout)) as T;
  };
  const email = `trainer-1@${PROJECT}.iam.gserviceaccount.com`;
  await gcloud("iam", "service-accounts", "create", "trainer-1", "--display-name=Trainer");
  const [account] = await gcloud<{ email: string; displayName: string }[]>("iam", "service-accounts", "list");
  assert.deepEqual([account?.email, account?.displayName], [email, "Trainer"]);
  await gcloud(
    "iam",
    "roles",
    "create",
    "selfDelete",
    `--project=${PROJECT}`,
    "--title=x",
    "--permissions=compute.instances.delete",
  );
  const expression = "resource.name.extract('/instances/{name}').startsWith('dev-run-')";
  const role = `projects/${PROJECT}/roles/selfDelete`;
  const member = `serviceAccount:${email}`;
  const bound = await gcloud<Policy>(
    ...["projects", "add-iam-policy-binding", PROJECT, `--member=${member}`, `--role=${role}`],
    `--condition=title=own,expression=${expression}`,
  );
  assert.deepEqual(bound.bindings, [{ role, members: [member], condition: { title: "own", expression } }]);
  assert.equal(bound.version, 3);
  await gcloud("services", "enable", "compute.googleapis.com");
  const services = await gcloud<{ config: { name: string } }[]>("services", "list", "--enabled");
  assert.ok(services.some(({ config }) => config.name === "compute.googleapis.com"));
  await gcloud("iam", "service-accounts", "delete", email);
  const left = await gcloud<Policy>("projects", "get-iam-policy", PROJECT);
  assert.match(left.bindings?.[0]?.members[0] ?? "", /^deleted:serviceAccount:trainer-1@.*\?uid=\d{21}$/);
});
