import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { fakeDriver, REGION, startCompute, temporaryFolder, ZONE } from "./fixture.ts";

const run = promisify(execFile);

test("gcloud compute works by its own variables", async (t) => {
  const version = await run("gcloud", ["--version"]).catch(() => undefined);
  if (!version) return t.skip("gcloud is not installed");
  const { driver } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  const folder = temporaryFolder(t);
  mkdirSync(`${folder}/config`);
  const { access_token } = cloud.local.cloud.tokens.issue({ kind: "operator" });
  writeFileSync(`${folder}/token`, access_token);
  const env = {
    ...process.env,
    CLOUDSDK_CONFIG: `${folder}/config`,
    CLOUDSDK_CORE_PROJECT: cloud.project,
    CLOUDSDK_CORE_DISABLE_PROMPTS: "1",
    CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: `${folder}/token`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.local.url}/compute/v1/`,
  };
  const gcloud = async (...words: string[]): Promise<unknown> => {
    const { stdout } = await run("gcloud", ["compute", ...words, "--format=json"], { env });
    return stdout.trim() === "" ? undefined : JSON.parse(stdout);
  };

  await gcloud("networks", "create", "net", "--subnet-mode=custom");
  await gcloud("networks", "subnets", "create", "sub", "--network=net", `--region=${REGION}`, "--range=10.10.0.0/24");
  const shape = ["--machine-type=e2-medium", "--image-family=debian-12", "--image-project=debian-cloud"];
  const place = [`--region=${REGION}`, "--subnet=sub", "--no-address", "--no-service-account", "--no-scopes"];
  await gcloud("instance-templates", "create", "t", ...shape, ...place);
  await gcloud("instances", "create", "m", "--source-instance-template=t", `--zone=${ZONE}`);
  const [listed] = (await gcloud("instances", "list")) as { name: string; status: string }[];
  assert.equal(`${listed?.name} ${listed?.status}`, "m RUNNING");
  const described = (await gcloud("instances", "describe", "m", `--zone=${ZONE}`)) as { networkInterfaces: object[] };
  assert.equal(described.networkInterfaces.length, 1);
  await gcloud("instances", "add-metadata", "m", `--zone=${ZONE}`, "--metadata=a=b");
  const serial = await run("gcloud", ["compute", "instances", "get-serial-port-output", "m", `--zone=${ZONE}`], {
    env,
  });
  assert.match(serial.stdout, /m boots/);
  await assert.rejects(gcloud("networks", "delete", "net"), /is already being used by/);
  await gcloud("instances", "delete", "m", `--zone=${ZONE}`);
  await gcloud("instance-templates", "delete", "t");
  await gcloud("networks", "subnets", "delete", "sub", `--region=${REGION}`);
  await gcloud("networks", "delete", "net");
  assert.equal((await cloud.ok("GET", "global/networks")).items, undefined);
});
