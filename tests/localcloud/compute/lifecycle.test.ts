import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { test } from "node:test";
import { fakeDriver, machine, startCompute, temporaryFolder, ZONE } from "./fixture.ts";

const INSTANCES = `zones/${ZONE}/instances`;

test("stop keeps the disk, start boots again on it, reset cuts", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  await cloud.done("POST", INSTANCES, machine("m"));
  await cloud.done("POST", `${INSTANCES}/m/reset`);
  assert.deepEqual(guests[0]?.events, ["boot", "cut"]);
  assert.equal((await cloud.instance("m"))?.status, "RUNNING");
  await cloud.done("POST", `${INSTANCES}/m/stop`);
  assert.equal((await cloud.instance("m"))?.status, "TERMINATED");
  await cloud.refused(400, "resourceNotReady", "POST", `${INSTANCES}/m/reset`);
  const type = { machineType: `zones/${ZONE}/machineTypes/e2-standard-8` };
  await cloud.done("POST", `${INSTANCES}/m/setMachineType`, type);
  await cloud.done("POST", `${INSTANCES}/m/start`);
  assert.equal(guests.length, 3);
  assert.equal(guests[2]?.spec.diskFolder, guests[0]?.spec.diskFolder);
  assert.equal(guests[2]?.spec.vcpus, 8);
  await cloud.refused(400, "invalidResourceUsage", "POST", `${INSTANCES}/m/setMachineType`, type);
});

test("a guest that powers itself off is TERMINATED and keeps its disk", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  const limited = { maxRunDuration: { seconds: "3600" }, instanceTerminationAction: "DELETE" };
  await cloud.done("POST", INSTANCES, machine("m", { scheduling: limited }));
  const running = await cloud.instance("m");
  const status = (running?.resourceStatus ?? {}) as { scheduling?: { terminationTimestamp?: string } };
  const started = Date.parse(String(running?.lastStartTimestamp));
  assert.equal(Date.parse(status.scheduling?.terminationTimestamp ?? ""), started + 3_600_000);
  guests[0]?.powerOff();
  const off = await cloud.until("m", "TERMINATED");
  assert.deepEqual(off?.resourceStatus, { scheduling: {} }, "the time limit is cleared when a machine stops");
  await cloud.ok("GET", `zones/${ZONE}/disks/m`);
});

test("a guest that crashes is TERMINATED with what happened, unless it starts again by itself", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  await cloud.done("POST", INSTANCES, machine("m", { scheduling: { automaticRestart: false } }));
  guests[0]?.crash();
  assert.equal((await cloud.until("m", "TERMINATED"))?.statusMessage, "kernel panic");
  assert.equal(guests.length, 1);

  await cloud.done("POST", INSTANCES, machine("again"));
  for (let boots = 2; boots <= 7; boots += 1) {
    guests.at(-1)?.crash();
    const off = boots === 7;
    for (let turn = 0; !off && guests.length < boots + 1 && turn < 400; turn += 1) await pause(10);
    await cloud.until("again", off ? "TERMINATED" : "RUNNING");
  }
  assert.equal(guests.length, 7, "one that crashes over and over stays off");
  assert.equal(guests[2]?.spec.diskFolder, guests[1]?.spec.diskFolder);

  await cloud.done("POST", INSTANCES, machine("spot", { scheduling: { provisioningModel: "SPOT" } }));
  guests.at(-1)?.crash();
  await cloud.until("spot", "TERMINATED");
  assert.equal(guests.length, 8, "Spot machines do not restart");
});

test("a machine that ignores the power button loses its power after two minutes", async (t) => {
  const clock = { now: Date.now() };
  const { driver, guests } = fakeDriver("ignores");
  const cloud = await startCompute(t, { driver, clock });
  await cloud.network();
  await cloud.done("POST", INSTANCES, machine("m"));
  const operation = await cloud.ok("DELETE", `${INSTANCES}/m`);
  assert.equal((await cloud.instance("m"))?.status, "STOPPING", "the deletion is accepted at once");
  const path = new URL(String(operation.selfLink)).pathname;
  for (let turn = 0; !guests[0]?.events.includes("button") && turn < 200; turn += 1) await pause(25);
  clock.now += 110_000;
  await pause(400);
  assert.deepEqual(guests[0]?.events, ["boot", "button"]);
  clock.now += 20_000;
  assert.equal((await cloud.ok("POST", `${path}/wait`)).status, "DONE");
  assert.deepEqual(guests[0]?.events, ["boot", "button", "cut"]);
  assert.equal(await cloud.instance("m"), undefined);
});

for (const action of ["STOP", "DELETE"] as const) {
  test(`a Spot machine is told, asked and cut, then the action is ${action}`, async (t) => {
    const clock = { now: Date.now() };
    const { driver, guests } = fakeDriver("ignores");
    const cloud = await startCompute(t, { driver, clock });
    await cloud.network();
    const scheduling = { provisioningModel: "SPOT", instanceTerminationAction: action };
    await cloud.done("POST", INSTANCES, machine("m", { scheduling }));
    const [guest] = guests;
    assert.equal(await guest?.metadata("instance/preempted"), "FALSE");
    const waiting = guest?.metadata("instance/preempted?wait_for_change=true&timeout_sec=20");
    await pause(50);
    await cloud.ok("POST", `${INSTANCES}/m/simulateMaintenanceEvent`);
    assert.equal(await waiting, "TRUE");
    const filter = encodeURIComponent('operationType = "compute.instances.preempted"');
    const { items } = await cloud.ok("GET", `zones/${ZONE}/operations?filter=${filter}`);
    const told = (items as Record<string, string>[]).map(({ targetLink, user }) => [
      targetLink?.split("/").at(-1),
      user,
    ]);
    assert.deepEqual(told, [["m", "system"]]);
    for (let turn = 0; !guest?.events.includes("button") && turn < 200; turn += 1) await pause(25);
    clock.now += 29_000;
    await pause(400);
    assert.deepEqual(guest?.events, ["boot", "button"]);
    clock.now += 2_000;
    await cloud.until("m", action === "STOP" ? "TERMINATED" : "gone");
    assert.deepEqual(guest?.events, ["boot", "button", "cut"]);
    const disk = await cloud.call("GET", `zones/${ZONE}/disks/m`);
    assert.equal(disk.status, action === "STOP" ? 200 : 404);
    if (action === "DELETE") return;
    await cloud.done("POST", `${INSTANCES}/m/start`);
    assert.equal(await guests[1]?.metadata("instance/preempted"), "FALSE");
  });
}

test("the time limit ends a machine, with a guest or without, before and after a restart", async (t) => {
  const clock = { now: Date.now() };
  const folder = temporaryFolder(t);
  const first = await startCompute(t, { clock, folder });
  await first.network();
  const scheduling = { maxRunDuration: { seconds: "600" }, instanceTerminationAction: "DELETE" };
  await first.done("POST", INSTANCES, machine("m", { scheduling }));
  const stopping = { ...scheduling, instanceTerminationAction: "STOP" };
  await first.done("POST", INSTANCES, machine("s", { scheduling: stopping }));
  await first.local.close();

  const second = await startCompute(t, { clock, folder });
  assert.equal((await second.instance("m"))?.status, "RUNNING");
  clock.now += 599_000;
  await pause(500);
  assert.equal((await second.instance("m"))?.status, "RUNNING");
  clock.now += 2_000;
  await second.until("m", "gone");
  await second.until("s", "TERMINATED");
});

test("guests do not outlive the server: their machines are TERMINATED", async (t) => {
  const folder = temporaryFolder(t);
  const { driver, guests } = fakeDriver();
  const lines: string[] = [];
  const first = await startCompute(t, { driver, folder });
  await first.network();
  await first.done("POST", INSTANCES, machine("m"));
  const operation = await first.done("POST", INSTANCES, machine("n"));
  await first.local.close();
  assert.deepEqual(
    guests.map(({ events }) => events.join()),
    ["boot,cut", "boot,cut"],
  );

  const second = await startCompute(t, { driver, folder, log: (line) => lines.push(line) });
  assert.equal((await second.instance("m"))?.status, "TERMINATED");
  const path = new URL(String(operation.selfLink)).pathname;
  assert.equal((await second.ok("GET", path)).status, "DONE", "operations survive a restart");
  await second.done("POST", `${INSTANCES}/m/start`);
  assert.equal((await second.instance("m"))?.status, "RUNNING");
});

test("a deletion that was accepted is finished after a crash of the server", async (t) => {
  const folder = temporaryFolder(t);
  const { driver, guests } = fakeDriver("ignores");
  const first = await startCompute(t, { driver, folder });
  await first.network();
  await first.done("POST", INSTANCES, machine("m"));
  const { selfLink } = await first.ok("DELETE", `${INSTANCES}/m`);
  for (let turn = 0; !guests[0]?.events.includes("button") && turn < 200; turn += 1) await pause(25);
  // What a killed server leaves is what lies in its folder at that moment.
  const copy = temporaryFolder(t);
  for (const part of ["records", "disks"]) cpSync(`${folder}/${part}`, `${copy}/${part}`, { recursive: true });
  const second = await startCompute(t, { driver, folder: copy });
  assert.equal(await second.instance("m"), undefined);
  assert.equal((await second.call("GET", `zones/${ZONE}/disks/m`)).status, 404);
  const operation = await second.ok("GET", new URL(String(selfLink)).pathname);
  assert.equal(operation.status, "DONE");
});

test("a boot that fails leaves nothing but the operation's error", async (t) => {
  const { driver, state } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  state.failure = "no namespace";
  const { error } = await cloud.finished("POST", INSTANCES, machine("m"));
  const [{ code, message } = { code: "", message: "" }] = (error as { errors: { code: string; message: string }[] })
    .errors;
  assert.equal(code, "INTERNAL_ERROR");
  assert.match(message, /no namespace/);
  assert.equal(await cloud.instance("m"), undefined);
  assert.equal((await cloud.ok("GET", `zones/${ZONE}/disks`)).items, undefined);
});

test("planned faults end an operation with Google's code, or never", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const { faults } = cloud.local.cloud;
  const path = "instances$";
  const operationError = { code: "ZONE_RESOURCE_POOL_EXHAUSTED", message: "The zone does not have enough resources." };
  faults.plan({ id: "a", service: "compute", method: "POST", path, times: 1, operationError });
  const failed = await cloud.finished("POST", INSTANCES, machine("m"));
  assert.deepEqual(failed.error, { errors: [operationError] });
  assert.equal(failed.httpErrorStatusCode, 503);
  assert.equal(failed.httpErrorMessage, "SERVICE UNAVAILABLE");
  assert.equal(await cloud.instance("m"), undefined);
  await cloud.done("POST", INSTANCES, machine("m"));

  const quota = { code: "QUOTA_EXCEEDED", message: "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1." };
  faults.plan({ id: "b", service: "compute", method: "POST", path, times: 1, operationError: quota });
  assert.equal((await cloud.finished("POST", INSTANCES, machine("n"))).httpErrorStatusCode, 403);

  faults.plan({ id: "c", service: "compute", method: "POST", path, times: 1, operationHangs: true });
  const hanging = await cloud.ok("POST", INSTANCES, machine("o"));
  await cloud.until("o", "RUNNING");
  await pause(150);
  assert.equal((await cloud.ok("GET", new URL(String(hanging.selfLink)).pathname)).status, "RUNNING");
});

test("the serial console is read from any byte, and guest attributes when they are enabled", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  await cloud.done("POST", INSTANCES, machine("m"));
  const first = await cloud.ok("GET", `${INSTANCES}/m/serialPort?port=1`);
  assert.equal(first.contents, "m boots\r\n");
  guests[0]?.spec.serial("second line");
  const second = await cloud.ok("GET", `${INSTANCES}/m/serialPort?port=1&start=${first.next}`);
  assert.equal(second.contents, "second line\r\n");
  for (let line = 0; line < 2200; line += 1) guests[0]?.spec.serial("x".repeat(1022));
  const last = await cloud.ok("GET", `${INSTANCES}/m/serialPort`);
  assert.equal(String(last.contents).length, 1024 * 1024);
  assert.ok(Number(last.start) > 1024 * 1024);

  await cloud.refused(403, "forbidden", "GET", `${INSTANCES}/m/getGuestAttributes?queryPath=a/`);
  const { fingerprint } = (await cloud.ok("GET", `${INSTANCES}/m`)).metadata as { fingerprint: string };
  const items = [{ key: "enable-guest-attributes", value: "TRUE" }];
  await cloud.done("POST", `${INSTANCES}/m/setMetadata`, { fingerprint, items });
  await cloud.refused(404, "notFound", "GET", `${INSTANCES}/m/getGuestAttributes?queryPath=a/`);
  assert.equal(await put(guests[0]?.spec.metadata, "instance/guest-attributes/build/result", "ok"), 200);
  const found = await cloud.ok("GET", `${INSTANCES}/m/getGuestAttributes?queryPath=build/result`);
  assert.deepEqual(found.queryValue, { items: [{ namespace: "build", key: "result", value: "ok" }] });
});

async function put(
  listener: import("node:http").RequestListener | undefined,
  path: string,
  body: string,
): Promise<number> {
  const { createServer } = await import("node:http");
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const headers = { "metadata-flavor": "Google" };
  const { status } = await fetch(`http://127.0.0.1:${port}/computeMetadata/v1/${path}`, {
    method: "PUT",
    headers,
    body,
  });
  server.closeAllConnections();
  server.close();
  return status;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
