import assert from "node:assert/strict";
import { test } from "node:test";
import { nextTime } from "../../workstation/schedule.ts";

const CASES: [line: string, zone: string, now: string, next: string | undefined][] = [
  ["0 22 * * *", "UTC", "2026-11-21T12:00:00Z", "2026-11-21T22:00:00Z"],
  ["0 22 * * *", "UTC", "2026-11-21T22:00:00Z", "2026-11-22T22:00:00Z"],
  ["0 22 * * *", "Europe/Berlin", "2026-11-21T12:00:00Z", "2026-11-21T21:00:00Z"],
  ["0 22 * * *", "America/Los_Angeles", "2026-11-21T12:00:00Z", "2026-11-22T06:00:00Z"],
  ["0 22 * * *", "Asia/Kolkata", "2026-11-21T17:00:00Z", "2026-11-22T16:30:00Z"],
  // It is Sunday there already.
  ["0 1 * * sun", "Asia/Tokyo", "2026-11-21T15:30:00Z", "2026-11-21T16:00:00Z"],
  ["30 6 * * 1-5", "UTC", "2026-11-21T12:00:00Z", "2026-11-23T06:30:00Z"],
  ["*/20 8,9 * * *", "UTC", "2026-11-21T08:41:00Z", "2026-11-21T09:00:00Z"],
  // Either day is enough where both are named.
  ["0 0 1 * mon", "UTC", "2026-11-21T12:00:00Z", "2026-11-23T00:00:00Z"],
  ["0 0 29 2 *", "UTC", "2026-11-21T12:00:00Z", "2028-02-29T00:00:00Z"],
  // The night in which the clock goes from 2 to 3 (half past two is not shown), and the one in which it goes back.
  ["30 2 * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", "2027-03-28T01:30:00Z"],
  ["0 22 * * *", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-25T21:00:00Z"],
  ["0 0 31 2 *", "UTC", "2026-11-21T12:00:00Z", undefined],
  ["nonsense", "UTC", "2026-11-21T12:00:00Z", undefined],
];

for (const [line, zone, now, next] of CASES) {
  test(`${line} in ${zone} after ${now}`, () => {
    const time = nextTime(line, zone, Date.parse(now));
    assert.equal(time === undefined ? undefined : new Date(time).toISOString().replace(".000Z", "Z"), next);
  });
}
