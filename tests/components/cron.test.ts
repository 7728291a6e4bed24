import assert from "node:assert/strict";
import { test } from "node:test";
import { closest, firings, monthlyHours, parseCron } from "../../components/cron.ts";
import { readSchedule } from "../../components/scheduleConfig.ts";
import { sshSourceProblems } from "../../components/sshSources.ts";

const cron = (line: string) => {
  const read = parseCron(line);
  assert.ok(read.cron, read.problem);
  return read.cron;
};

test("a line of cron, in all its forms", () => {
  const sets = (line: string) => {
    const { minutes, hours, days, months, weekdays } = cron(line);
    return [minutes, hours, days, months, weekdays].map((set) => [...set].sort((a, b) => a - b).join());
  };
  assert.deepEqual(sets("0 22 * * 1-5").slice(0, 2), ["0", "22"]);
  assert.equal(sets("0 22 * * 1-5")[4], "1,2,3,4,5");
  assert.equal(sets("0 22 * * MON-fri")[4], "1,2,3,4,5");
  assert.equal(sets("0 22 * * 0,7")[4], "0");
  assert.equal(sets("*/15 22 * * *")[0], "0,15,30,45");
  assert.equal(sets("10/20 22 * * *")[0], "10,30,50");
  assert.equal(sets("5-20/5 22 * * *")[0], "5,10,15,20");
  assert.equal(sets("0 0 1,15 jan,Mar *")[3], "1,3");
  assert.equal(sets(" 0  22 * * * ")[1], "22");
});

test("what is no cron line is told with the field that is wrong", () => {
  const problem = (line: string) => parseCron(line).problem;
  for (const line of ["", "22:00", "0 22 * *", "0 22 * * * *", "@daily"]) {
    assert.equal(
      problem(line),
      `must be a cron line of five fields (minute, hour, day of month, month, day of week) such as "0 22 * * *"; got ${JSON.stringify(line)}`,
    );
  }
  const wrong: [string, string, string][] = [
    ["60 22 * * *", "minute must be 0 to 59", "60"],
    ["0 24 * * *", "hour must be 0 to 23", "24"],
    ["0 22 0 * *", "day of month must be 1 to 31", "0"],
    ["0 22 * 13 *", "month must be 1 to 12 or jan to dec", "13"],
    ["0 22 * * 8", "day of week must be 0 to 7 or sun to sat", "8"],
    ["0 22 * * 5-1", "day of week must be 0 to 7 or sun to sat", "5-1"],
    ["*/0 22 * * *", "minute must be 0 to 59", "*/0"],
    ["0 10pm * * *", "hour must be 0 to 23", "10pm"],
    ["0 ? * * *", "hour must be 0 to 23", "?"],
    ["0 22 * foo *", "month must be 1 to 12 or jan to dec", "foo"],
    ["0 1, * * *", "hour must be 0 to 23", "1,"],
  ];
  for (const [line, rule, part] of wrong) {
    assert.equal(
      problem(line),
      `must be a cron line; its ${rule}, as *, 1,2, 1-5 or */2; got ${JSON.stringify(part)} in ${JSON.stringify(line)}`,
    );
  }
});

test("a day that never comes is told; one that comes every fourth year is a day", () => {
  for (const line of ["0 22 31 2 *", "0 22 30 feb *", "0 22 31 4,6,9,11 *"]) {
    assert.equal(
      parseCron(line).problem,
      `must come at some time, and none of its months has its days; got ${JSON.stringify(line)}`,
    );
  }
  for (const line of ["0 22 29 2 *", "0 22 31 2,3 *", "0 22 30,5 2 *", "0 22 31 2 1"]) cron(line);
});

test("what a start costs follows from start and stop", () => {
  assert.equal(firings(cron("0 8 * * 1-5")).length, 23, "weekdays of a month that begins on a Monday");
  assert.equal(firings(cron("0 8 13 * 5")).length, 5, "either day is enough: four Fridays and the 13th");
  assert.equal(monthlyHours(cron("0 8 * * *"), cron("0 18 * * *")), 310);
  assert.equal(monthlyHours(cron("0 8 * * 1-5"), cron("0 18 * * *")), 230);
  assert.equal(monthlyHours(cron("0 8,9 * * *"), cron("0 18 * * *")), 310, "a machine that runs is not started");
  assert.equal(monthlyHours(cron("0 8 1 * *"), cron("0 18 15 * *")), 14 * 24 + 10);
  assert.equal(closest(cron("0 8 * * *"), cron("50 7 * * *")), 10);
  assert.equal(closest(cron("0 8 * * 1"), cron("0 8 * * 2")), 24 * 60);
});

test("a schedule: default, start, none", () => {
  const read = (input: Parameters<typeof readSchedule>[0]) => readSchedule(input, "America/Chicago");
  assert.deepEqual(read(undefined).config, { stop: "0 22 * * *", timeZone: "America/Chicago" });
  assert.equal(read(false).config, undefined);
  assert.deepEqual(read({ start: "0 8 * * 1-5", timeZone: "Europe/Berlin" }), {
    config: { stop: "0 22 * * *", start: "0 8 * * 1-5", timeZone: "Europe/Berlin" },
    hours: 322,
    problems: [],
    warnings: [],
  });
});

test("a schedule that is none: cron, time zone, too close", () => {
  const told = (input: Parameters<typeof readSchedule>[0]) => readSchedule(input, "UTC").problems;
  assert.deepEqual(told({ timeZone: "UTC" }), []);
  assert.deepEqual(told({ timeZone: "Europe/Berlni" }), [
    'schedule.timeZone must be a time zone of the IANA database such as Europe/Berlin or UTC; did you mean Europe/Berlin?; got "Europe/Berlni"',
  ]);
  for (const zone of ["+01:00", "CET+1", "", "Mars/Olympus_Mons_Base"]) {
    assert.deepEqual(told({ timeZone: zone }).length, 1, zone);
  }
  assert.deepEqual(told({ stop: "22:00", start: "x", timeZone: "Nowhere/Atall/Ever" }).length, 3);
  assert.deepEqual(told({ start: "50 21 * * *" }), [
    'schedule.start must be at least 15 minutes from schedule.stop, or Google may do one before the other; got start "50 21 * * *", stop "0 22 * * *"',
  ]);
});

test("SSH from named networks, never from the internet or its halves", () => {
  assert.deepEqual(sshSourceProblems(["203.0.113.7/32", "198.51.100.0/24", "10.1.0.0/17"]), []);
  assert.deepEqual(sshSourceProblems(["10.1.0.0/16"]), []);
  assert.deepEqual(sshSourceProblems(["10.1.0.0/16", "10.1.2.0/24"]), [], "counted once");
  for (const whole of ["0.0.0.0/0", "::/0"]) {
    assert.deepEqual(sshSourceProblems([whole]), [
      `sshFrom[0] must not be the whole internet; got ${JSON.stringify(whole)}`,
    ]);
  }
  const size = (total: number, list: string) =>
    `sshFrom must hold at most 65536 addresses together (a /16), because SSH that the internet can reach is found within minutes; got ${total} in ${list}. Name your own network, or leave externalIp away: \`mlt ssh\` needs no address`;
  assert.deepEqual(sshSourceProblems(["0.0.0.0/1", "128.0.0.0/1"]), [size(2 ** 32, "0.0.0.0/1, 128.0.0.0/1")]);
  assert.deepEqual(sshSourceProblems(["10.0.0.0/15"]), [size(2 ** 17, "10.0.0.0/15")]);
  const pieces = Array.from({ length: 40 }, (_, index) => `${index + 1}.0.0.0/20`);
  assert.deepEqual(sshSourceProblems(pieces), [size(40 * 4096, pieces.join(", "))]);
  assert.deepEqual(sshSourceProblems(["2001:db8::/32", "8000::/1"]), [
    'sshFrom[0] must be an IPv4 range: the workstation\'s network has no IPv6; got "2001:db8::/32"',
    'sshFrom[1] must be an IPv4 range: the workstation\'s network has no IPv6; got "8000::/1"',
  ]);
  for (const wrong of ["203.0.113.7", "203.0.113.0/33", "203.0.113.256/32", "home", "1.2.3.4/32/1"]) {
    assert.deepEqual(sshSourceProblems([wrong]), [
      `sshFrom[0] must be an IPv4 range such as 203.0.113.7/32 or 203.0.113.0/24; got ${JSON.stringify(wrong)}`,
    ]);
  }
  assert.deepEqual(sshSourceProblems(["203.0.113.7/24"]), [
    'sshFrom[0] must begin at the range\'s first address: 203.0.113.0/24, or 203.0.113.7/32 for this one; got "203.0.113.7/24"',
  ]);
});
