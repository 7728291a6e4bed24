import assert from "node:assert/strict";
import { test } from "node:test";
import {
  GlobalOperationsClient,
  InstancesClient,
  NetworksClient,
  RegionOperationsClient,
  SubnetworksClient,
  ZoneOperationsClient,
} from "@google-cloud/compute";
import { auth as googleAuth, compute as googleCompute } from "@googleapis/compute";
import { OAuth2Client } from "google-auth-library";
import { fakeDriver, IMAGE, machine, REGION, startCompute, ZONE } from "./fixture.ts";

const SPOT = { provisioningModel: "SPOT", instanceTerminationAction: "DELETE" };

/** Credentials with a token of the local cloud, so that no client looks for others. */
function credentials(token: string): OAuth2Client {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: token, expiry_date: Date.now() + 3_600_000 });
  return client;
}

test("@googleapis/compute works by rootUrl alone", async (t) => {
  const { driver } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  const { project } = cloud;
  const { access_token } = cloud.local.cloud.tokens.issue({ kind: "operator" });
  const auth = new googleAuth.OAuth2();
  auth.setCredentials({ access_token, expiry_date: Date.now() + 3_600_000 });
  const client = googleCompute({ version: "v1", auth, rootUrl: `${cloud.local.url}/`, retry: false });

  const properties = { ...machine("unused"), name: undefined, machineType: "e2-medium", scheduling: SPOT };
  const made = await client.instanceTemplates.insert({ project, requestBody: { name: "t", properties } });
  await client.globalOperations.wait({ project, operation: made.data.name ?? "" });
  const sourceInstanceTemplate = `projects/${project}/global/instanceTemplates/t`;
  const started = await client.instances.insert({
    project,
    zone: ZONE,
    sourceInstanceTemplate,
    requestBody: { name: "m" },
  });
  assert.equal(started.data.status, "PENDING");
  const { data: done } = await client.zoneOperations.wait({ project, zone: ZONE, operation: started.data.name ?? "" });
  assert.equal(done.status, "DONE");
  assert.equal(done.error, undefined);
  const { data: instance } = await client.instances.get({ project, zone: ZONE, instance: "m" });
  assert.equal(instance.status, "RUNNING");
  assert.equal(instance.scheduling?.provisioningModel, "SPOT");
  const list = await client.instances.aggregatedList({ project, filter: "name = m" });
  assert.equal(list.data.items?.[`zones/${ZONE}`]?.instances?.length, 1);
  const serial = await client.instances.getSerialPortOutput({ project, zone: ZONE, instance: "m" });
  assert.match(serial.data.contents ?? "", /m boots/);
  await assert.rejects(
    client.instances.get({ project, zone: ZONE, instance: "none" }),
    (error: { status?: number }) => {
      return error.status === 404 && /The resource 'projects\/.*\/none' was not found/.test(String(error));
    },
  );
  const gone = await client.instances.delete({ project, zone: ZONE, instance: "m" });
  await client.zoneOperations.wait({ project, zone: ZONE, operation: gone.data.name ?? "" });
  const { data: types } = await client.machineTypes.get({ project, zone: ZONE, machineType: "n2-custom-8-16384" });
  assert.equal(`${types.guestCpus} ${types.memoryMb}`, "8 16384");
});

/** The name of the operation that an insert or delete started. */
function nameOf(started: { latestResponse?: unknown }): string {
  return (started.latestResponse as { name: string }).name;
}

test("@google-cloud/compute works over REST", async (t) => {
  const cloud = await startCompute(t);
  const { project } = cloud;
  const { hostname, port } = new URL(cloud.local.url);
  const { access_token } = cloud.local.cloud.tokens.issue({ kind: "operator" });
  const authClient = credentials(access_token);
  const options = {
    fallback: "rest" as const,
    apiEndpoint: hostname,
    port: Number(port),
    protocol: "http",
    authClient,
    projectId: project,
  };
  const networks = new NetworksClient(options);
  const subnetworks = new SubnetworksClient(options);
  const instances = new InstancesClient(options);
  const operations = new ZoneOperationsClient(options);
  const globalOperations = new GlobalOperationsClient(options);
  const regionOperations = new RegionOperationsClient(options);
  t.after(async () => {
    for (const client of [networks, subnetworks, instances, operations, globalOperations, regionOperations]) {
      await client.close();
    }
  });

  const [network] = await networks.insert({ project, networkResource: { name: "net", autoCreateSubnetworks: false } });
  await globalOperations.wait({ project, operation: nameOf(network) });
  const subnetworkResource = { name: "sub", ipCidrRange: "10.10.0.0/24", network: "global/networks/net" };
  const [subnet] = await subnetworks.insert({ project, region: REGION, subnetworkResource });
  await regionOperations.wait({ project, region: REGION, operation: nameOf(subnet) });
  const instanceResource = {
    name: "m",
    machineType: `zones/${ZONE}/machineTypes/e2-medium`,
    disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: IMAGE } }],
    networkInterfaces: [{ subnetwork: `regions/${REGION}/subnetworks/sub` }],
  };
  const [insert] = await instances.insert({ project, zone: ZONE, instanceResource });
  const [operation] = await operations.wait({ project, zone: ZONE, operation: nameOf(insert) });
  assert.equal(operation.status, "DONE");
  const [instance] = await instances.get({ project, zone: ZONE, instance: "m" });
  assert.equal(instance.status, "RUNNING");
  const [found] = await instances.list({ project, zone: ZONE, filter: "status = RUNNING" });
  assert.deepEqual(
    found.map(({ name }) => name),
    ["m"],
  );
  const names = [];
  for await (const [zone, scoped] of instances.aggregatedListAsync({ project })) {
    for (const { name } of scoped.instances ?? []) names.push(`${zone} ${name}`);
  }
  assert.deepEqual(names, [`zones/${ZONE} m`]);
  await assert.rejects(instances.get({ project, zone: ZONE, instance: "none" }), /was not found/);
  const [gone] = await instances.delete({ project, zone: ZONE, instance: "m" });
  await operations.wait({ project, zone: ZONE, operation: nameOf(gone) });
  assert.equal(await cloud.instance("m"), undefined);
});
