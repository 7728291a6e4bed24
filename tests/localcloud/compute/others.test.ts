import assert from "node:assert/strict";
import { test } from "node:test";
import { machine, REGION, startCompute, ZONE } from "./fixture.ts";

type Json = Record<string, unknown>;

test("addresses are reserved, used and kept from deletion while they are", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const addresses = `regions/${REGION}/addresses`;
  const subnetwork = `regions/${REGION}/subnetworks/sub`;
  await cloud.done("POST", addresses, { name: "out" });
  await cloud.done("POST", addresses, { name: "in", addressType: "INTERNAL", subnetwork });
  const outside = await cloud.ok("GET", `${addresses}/out`);
  const inside = await cloud.ok("GET", `${addresses}/in`);
  assert.equal(inside.address, "10.10.0.2");
  assert.equal(outside.status, "RESERVED");
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("free"));
  const nic = { subnetwork, networkIP: inside.address, accessConfigs: [{ natIP: outside.address }] };
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m", { networkInterfaces: [nic] }));
  const free = (await cloud.ok("GET", `zones/${ZONE}/instances/free`)).networkInterfaces as Json[];
  assert.equal(free[0]?.networkIP, "10.10.0.3", "a reserved address is nobody else's");
  const used = await cloud.ok("GET", `${addresses}/out`);
  assert.equal(used.status, "IN_USE");
  assert.equal((used.users as string[]).length, 1);
  await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `${addresses}/out`);
  const taken = machine("n", { networkInterfaces: [{ subnetwork, networkIP: "10.10.0.3" }] });
  assert.match(await cloud.refused(400, "invalid", "POST", `zones/${ZONE}/instances`, taken), /IP address is in-use/);
  await cloud.done("DELETE", `zones/${ZONE}/instances/m`);
  await cloud.done("DELETE", `${addresses}/out`);
});

test("aggregated lists hold what is global beside what is regional, page by page", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  await cloud.done("POST", "global/addresses", { name: "all-over" });
  await cloud.done("POST", `regions/${REGION}/addresses`, { name: "here" });
  const { name: _, ...properties } = machine("m");
  await cloud.done("POST", "global/instanceTemplates", {
    name: "t",
    properties: { ...properties, machineType: "e2-medium" },
  });
  const names = async (plural: string, query = "") => {
    const { items, nextPageToken } = await cloud.ok("GET", `aggregated/${plural}${query}`);
    const found = Object.entries(items as Json).flatMap(([place, list]) =>
      (((list as Json)[plural] ?? []) as Json[]).map(({ name }) => `${place} ${name}`),
    );
    return { found, nextPageToken };
  };
  assert.deepEqual((await names("instanceTemplates")).found, ["global t"]);
  assert.deepEqual((await names("addresses")).found, ["global all-over", `regions/${REGION} here`]);
  const first = await names("addresses", "?maxResults=1");
  const second = await names("addresses", `?maxResults=1&pageToken=${first.nextPageToken}`);
  assert.deepEqual([...first.found, ...second.found], ["global all-over", `regions/${REGION} here`]);
  assert.equal(second.nextPageToken, undefined);
  const operations = await names("operations", "?maxResults=2");
  assert.equal(operations.found.length, 2);
  assert.notEqual(operations.nextPageToken, undefined, "the rest is on the next page");
});

test("a family is seen from a zone as everywhere, and clients may refer to it so", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const views = "/compute/v1/projects/debian-cloud/zones";
  const { image } = await cloud.ok("GET", `${views}/-/imageFamilyViews/debian-12`);
  assert.equal((image as Json).family, "debian-12");
  await cloud.ok("GET", `${views}/${ZONE}/imageFamilyViews/debian-12`);
  await cloud.refused(404, "notFound", "GET", `${views}/-/imageFamilyViews/nothing`);
  const disk = {
    boot: true,
    initializeParams: { sourceImage: `http://127.0.0.1:1${views}/-/imageFamilyViews/debian-12` },
  };
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m", { disks: [disk] }));
  const made = await cloud.ok("GET", `zones/${ZONE}/disks/m`);
  assert.match(String(made.sourceImage), /global\/images\/debian-12-v\d+$/);
});

test("an instance schedule is checked, attached and held while it is in use", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const policies = `regions/${REGION}/resourcePolicies`;
  const schedule = (fields: Json) => ({ name: "night", instanceSchedulePolicy: fields });
  const stop = { vmStopSchedule: { schedule: "0 20 * * *" } };
  assert.match(
    await cloud.refused(400, "invalid", "POST", policies, schedule({ ...stop, timeZone: "Mars/North" })),
    /time zone/,
  );
  const wrong = { timeZone: "Europe/Berlin", vmStopSchedule: { schedule: "at night" } };
  assert.match(await cloud.refused(400, "invalid", "POST", policies, schedule(wrong)), /cron/);
  await cloud.done("POST", policies, schedule({ ...stop, timeZone: "Europe/Berlin" }));
  const later = { instanceSchedulePolicy: { vmStopSchedule: { schedule: "0 21 * * *" } } };
  await cloud.done("PATCH", `${policies}/night`, later);
  const kept = (await cloud.ok("GET", `${policies}/night`)).instanceSchedulePolicy as Json;
  assert.deepEqual(kept.vmStopSchedule, { schedule: "0 21 * * *" });
  assert.equal(kept.timeZone, "Europe/Berlin");
  await cloud.letSchedule();
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m", { resourcePolicies: [`${policies}/night`] }));
  await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `${policies}/night`);
});

test("zones, machine types and GPUs are Google's, place by place", async (t) => {
  const cloud = await startCompute(t);
  const zone = await cloud.ok("GET", `zones/${ZONE}`);
  assert.match(String(zone.region), /regions\/us-central1$/);
  const region = await cloud.ok("GET", `regions/${REGION}`);
  assert.equal((region.zones as string[]).length, 4);
  const l4 = await cloud.ok("GET", `zones/${ZONE}/machineTypes/g2-standard-4`);
  assert.deepEqual(l4.accelerators, [{ guestAcceleratorType: "nvidia-l4", guestAcceleratorCount: 1 }]);
  await cloud.refused(404, "notFound", "GET", "zones/europe-north1-a/machineTypes/g2-standard-4");
  await cloud.refused(404, "notFound", "GET", `zones/${ZONE}/machineTypes/n2-custom-3-4096`);
  await cloud.refused(404, "notFound", "GET", "zones/us-central1-z");
  const t4 = await cloud.ok("GET", `zones/${ZONE}/acceleratorTypes/nvidia-tesla-t4`);
  assert.equal(t4.maximumCardsPerInstance, 4);
  const types = await cloud.ok("GET", `zones/${ZONE}/machineTypes?filter=${encodeURIComponent("guestCpus > 300")}`);
  assert.ok(((types.items ?? []) as Json[]).every(({ guestCpus }) => Number(guestCpus) > 300));
  assert.equal((await cloud.ok("GET", `zones/${ZONE}/diskTypes/pd-ssd`)).validDiskSize, "10GB-65536GB");
});

test("a project is known by id and by number, and no other is", async (t) => {
  const cloud = await startCompute(t);
  const project = await cloud.ok("GET", cloud.root);
  const byNumber = await cloud.ok("GET", `/compute/beta/projects/${project.id}`);
  assert.equal(byNumber.name, cloud.project);
  await cloud.refused(404, "notFound", "GET", "/compute/v1/projects/other-project/global/networks");
  await cloud.refused(404, "notFound", "GET", "/compute/v1/projects/debian-cloud/global/networks");
  const images = await cloud.ok("GET", "/compute/v1/projects/debian-cloud/global/images");
  assert.ok((images.items as Json[]).some(({ family }) => family === "debian-12"));
  await cloud.refused(404, "notFound", "GET", `/compute/alpha/projects/${cloud.project}/global/networks`);
});

test("operations are listed, waited for and deleted; several calls travel in one batch", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const { items } = await cloud.ok("GET", `regions/${REGION}/operations`);
  const [operation] = items as Json[];
  assert.equal(operation?.operationType, "insert");
  const gathered = (await cloud.ok("GET", "aggregated/operations")).items as Record<string, { operations?: Json[] }>;
  assert.equal(gathered[`regions/${REGION}`]?.operations?.length, 1);
  assert.equal(gathered.global?.operations?.length, 1);
  assert.equal((await cloud.call("DELETE", `regions/${REGION}/operations/${operation?.name}`)).status, 204);
  await cloud.refused(404, "notFound", "GET", `regions/${REGION}/operations/${operation?.name}`);

  const part = (id: number, call: string) =>
    `--b\r\nContent-Type: application/http\r\nContent-ID: <x+${id}>\r\n\r\n${call} HTTP/1.1\r\n\r\n\r\n`;
  const foreign = part(3, "POST /compute/v1/projects/debian-cloud/global/images");
  const body = `${part(1, `GET ${cloud.root}/global/networks/net`)}${part(2, `GET ${cloud.root}/global/networks/no`)}${foreign}--b--`;
  const answer = await fetch(`${cloud.local.operatorUrl}/batch/compute/v1`, {
    method: "POST",
    headers: { "content-type": "multipart/mixed; boundary=b" },
    body,
  });
  const text = await answer.text();
  assert.match(text, /Content-ID: <response-x\+1>\r\n\r\nHTTP\/1.1 200 OK/);
  assert.match(text, /Content-ID: <response-x\+2>\r\n\r\nHTTP\/1.1 404 Not Found/);
  assert.match(text, /The resource 'projects\/debian-cloud' was not found/);
});
