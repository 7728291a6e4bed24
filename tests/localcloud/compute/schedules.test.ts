import assert from "node:assert/strict";
import { test } from "node:test";
import { isDue, parseCron } from "../../../localcloud/services/compute/cron.ts";
import { fakeDriver, machine, REGION, startCompute, ZONE } from "./fixture.ts";

const INSTANCES = `zones/${ZONE}/instances`;
const POLICIES = `regions/${REGION}/resourcePolicies`;

function due(text: string, at: string, zone = "UTC"): boolean {
  const cron = parseCron(text);
  assert.ok(cron, text);
  return isDue(cron, Date.parse(at), zone);
}

test("a schedule means what cron means by it, on the clocks of its time zone", () => {
  assert.ok(due("0 20 * * *", "2026-11-21T20:00:30Z"));
  assert.ok(!due("0 20 * * *", "2026-11-21T20:01:00Z"));
  assert.ok(due("0 20 * * *", "2026-11-21T19:00:00Z", "Europe/Berlin"));
  assert.ok(due("0 20 * * *", "2026-07-21T18:00:00Z", "Europe/Berlin"), "summer time");
  assert.ok(due("30 7 * * MON-FRI", "2026-11-20T07:30:00Z"));
  assert.ok(!due("30 7 * * MON-FRI", "2026-11-21T07:30:00Z"), "a Saturday");
  assert.ok(due("*/15 0-6/2 * * 7", "2026-11-22T02:45:00Z"), "Sunday is 7 too");
  assert.ok(due("0 0 1,15 * MON", "2026-11-23T00:00:00Z"), "either day, where both are restricted");
  assert.ok(!due("0 0 1,15 * *", "2026-11-23T00:00:00Z"));
  assert.ok(due("0 0 1 JAN *", "2027-01-01T00:00:00Z"));
  for (const wrong of [
    "",
    "0 20 * *",
    "60 * * * *",
    "0 24 * * *",
    "0 0 0 * *",
    "0 0 * 13 *",
    "5-1 * * * *",
    "x * * * *",
    "*/0 * * * *",
  ]) {
    assert.equal(parseCron(wrong), undefined, wrong);
  }
});

test("a schedule stops and starts the guest; without its right only the log tells", async (t) => {
  const clock = { now: Date.parse("2026-11-20T18:58:10Z") };
  const { driver, guests } = fakeDriver();
  const lines: string[] = [];
  const cloud = await startCompute(t, { driver, clock, log: (line) => lines.push(line) });
  await cloud.network();
  const instanceSchedulePolicy = {
    timeZone: "Europe/Berlin",
    vmStopSchedule: { schedule: "0 20 * * *" },
    vmStartSchedule: { schedule: "0 7 * * MON-FRI" },
  };
  await cloud.done("POST", POLICIES, { name: "night", instanceSchedulePolicy });
  const attached = machine("m", { resourcePolicies: [`${POLICIES}/night`] });
  const refusal = await cloud.refused(412, "conditionNotMet", "POST", INSTANCES, attached);
  assert.match(
    refusal,
    /^Compute System service account service-\d+@compute-system\.iam\.gserviceaccount\.com needs to have \[compute\.instances\.start,compute\.instances\.stop\] permissions applied in order to perform this operation\.$/,
  );
  await cloud.letSchedule();
  await cloud.done("POST", INSTANCES, attached);
  await cloud.done("POST", INSTANCES, machine("other"));

  clock.now = Date.parse("2026-11-20T19:00:05Z");
  await cloud.until("m", "TERMINATED");
  assert.deepEqual(guests[0]?.events, ["boot", "button"]);
  const { items } = await cloud.ok("GET", `zones/${ZONE}/operations`);
  const stop = (items as { operationType: string; user: string }[]).find(
    ({ operationType }) => operationType === "stop",
  );
  assert.match(String(stop?.user), /@compute-system\.iam\.gserviceaccount\.com$/);
  assert.equal((await cloud.instance("other"))?.status, "RUNNING");

  // Saturday morning: nothing. Then the whole day leaps by in one step of the clock, until Monday morning.
  clock.now = Date.parse("2026-11-21T06:00:05Z");
  await pause(700);
  assert.equal((await cloud.instance("m"))?.status, "TERMINATED");
  clock.now = Date.parse("2026-11-23T06:00:05Z");
  await cloud.until("m", "RUNNING");

  await cloud.letSchedule("none");
  clock.now = Date.parse("2026-11-23T19:00:05Z");
  await pause(700);
  assert.equal((await cloud.instance("m"))?.status, "RUNNING");
  assert.match(
    lines.join("\n"),
    /m: the schedule night may not stop it: service-\d+@.* has lost compute\.instances\.stop/,
  );
});

test("schedules are attached, taken away and run by hand; the operator sets the clock", async (t) => {
  const { driver } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  await cloud.letSchedule();
  const instanceSchedulePolicy = { timeZone: "UTC", vmStopSchedule: { schedule: "0 20 * * *" } };
  await cloud.done("POST", POLICIES, { name: "night", instanceSchedulePolicy });
  await cloud.done("POST", INSTANCES, machine("m"));
  const resourcePolicies = [`${POLICIES}/night`];
  await cloud.done("POST", `${INSTANCES}/m/addResourcePolicies`, { resourcePolicies });
  assert.match(
    await cloud.refused(400, "invalid", "POST", `${INSTANCES}/m/addResourcePolicies`, { resourcePolicies }),
    /at most one resource policy/,
  );
  const fired = { region: REGION, policy: "night", action: "stop" };
  const answer = await cloud.ok("POST", "/local/v1/schedules", fired);
  assert.deepEqual(answer, { stop: [`projects/test-project/${INSTANCES}/m`] });
  await cloud.until("m", "TERMINATED");
  assert.deepEqual(await cloud.ok("POST", "/local/v1/schedules", fired), { stop: [] }, "it is off already");
  assert.equal((await cloud.call("POST", "/local/v1/schedules", { ...fired, action: "pause" })).status, 400);

  await cloud.done("POST", `${INSTANCES}/m/start`);
  const now = new Date();
  const untilEight = new Date(now).setUTCHours(20, 0, 5) - now.getTime();
  const clockOffsetMs = untilEight > 60_000 ? untilEight : untilEight + 24 * 3600 * 1000;
  await cloud.ok("PATCH", "/local/v1/settings", { clockOffsetMs });
  await cloud.until("m", "TERMINATED");
  await cloud.done("POST", `${INSTANCES}/m/removeResourcePolicies`, { resourcePolicies });
  await cloud.done("DELETE", `${POLICIES}/night`);
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
