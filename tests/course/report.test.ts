import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "csv-parse/sync";
import { barChart, niceCeiling } from "../../course/report/charts.ts";
import { runsCsv, studentsCsv } from "../../course/report/csv.ts";
import { reportOf } from "../../course/report/data.ts";
import { reportPage } from "../../course/report/page.ts";
import { openLectern } from "./lectern.ts";
import { NAMES, sampleStatus } from "./sample.ts";

const report = reportOf(sampleStatus(60));
const page = reportPage(report);

test("the totals are the sums of what was read", () => {
  const { students, totals, runs } = report;
  assert.equal(totals.students, 60);
  assert.equal(totals.up, students.filter(({ state }) => state === "up").length);
  assert.equal(totals.runs, runs.length);
  assert.equal(
    totals.runs,
    students.reduce((sum, student) => sum + student.runs.total, 0),
  );
  const hours = students.reduce((sum, { usage }) => sum + usage.hours.total, 0);
  assert.ok(Math.abs(totals.hours - hours) < 0.001);
  const counted = report.runsOverTime.reduce(
    (sum, day) => sum + day.succeeded + day.failed + day.other + day.active,
    0,
  );
  assert.equal(counted, totals.runs, "every run is in one bar");
  const cost = report.costOverTime.reduce((sum, week) => sum + week.cost, 0);
  assert.ok(Math.abs(cost - totals.cost) < 0.01, `${cost} over time, ${totals.cost} in all`);
  assert.equal(report.per, "day");
});

test("a course of months is counted by weeks, without a gap", () => {
  const status = sampleStatus(2, 1);
  const early = {
    ...status.students[0]!.runs[0]!,
    times: { submitted: "2026-09-30T10:00:00Z", ended: "2026-09-30T11:00:00Z" },
  };
  const long = reportOf({ ...status, students: [{ ...status.students[0]!, runs: [early] }] });
  assert.equal(long.per, "week");
  assert.deepEqual(long.runsOverTime.map(({ from }) => from).slice(0, 3), ["2026-09-28", "2026-10-05", "2026-10-12"]);
  assert.equal(long.runsOverTime.at(-1)?.from, "2027-01-18");
  const none = reportOf({ ...status, students: [] });
  assert.deepEqual([none.runsOverTime, none.costOverTime, none.totals.runs], [[], [], 0]);
  assert.match(reportPage(none), /Nothing yet\./);
});

test("the page's policy lets its own script and style work and nothing else, and no address is loaded", () => {
  const [, policy = ""] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page) ?? [];
  const hash = (tag: string) => {
    const [, text = ""] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page) ?? [];
    return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  };
  assert.equal(
    policy,
    `default-src 'none'; style-src ${hash("style")}; script-src ${hash("script")}; base-uri 'none'; form-action 'none'`,
  );
  assert.ok(!/\bsrc=|<link|@import|url\(|<img|<iframe|\bstyle="|\son[a-z]+="/.test(page));
  assert.equal(page.match(/<script/g)?.length, 1);
});

test("names are text, whatever they hold", () => {
  assert.ok(page.includes("&lt;script&gt;alert(&quot;name&quot;)&lt;/script&gt;"));
  assert.ok(page.includes("O&#39;Neill &amp; Sons"));
  assert.ok(page.includes('<td dir="auto">نورة الخالدي</td>'));
  assert.ok(page.includes("no column &quot;wage&quot; &lt;b&gt;"), "what a trainer says is no markup, either");
});

test("the CSV files bear every name, and nothing in them is a formula", () => {
  const text = studentsCsv(report);
  assert.ok(text.startsWith("\ufeffid,name,"), "spreadsheets need the mark to see UTF-8");
  const rows = parse(text, { bom: true, columns: true }) as Record<string, string>[];
  assert.equal(rows.length, 60);
  const names = rows.slice(0, NAMES.length).map(({ name }) => name);
  assert.deepEqual(
    names,
    NAMES.map((name) => (/^[=+]/.test(name) ? `'${name}` : name)),
  );
  for (const row of [...rows, ...(parse(runsCsv(report), { bom: true, columns: true }) as Record<string, string>[])]) {
    for (const [column, value] of Object.entries(row)) assert.ok(!/^[=+\-@\t\r]/.test(value), `${column}: ${value}`);
  }
  const first = rows[0]!;
  const { usage, runs } = report.students[0]!;
  assert.deepEqual(
    [first.runs, first.hours_total, first.cost_usd, first.prices_as_of],
    [String(runs.total), String(usage.hours.total), String(usage.cost.total), "2026-11-21"],
  );
  assert.equal(runsCsv(report).split("\r\n").length, report.runs.length + 2);
});

test("a chart: bars as high as their values, a legend, the same figures as a table, a sentence", () => {
  const chart = barChart({
    id: "x",
    title: "Runs <per> day",
    label: "Day",
    labels: ["2027-01-01", "2027-01-02"],
    series: [
      { name: "good", colour: "c1", values: [3, 0] },
      { name: "bad", colour: "c2", values: [1, 2] },
    ],
    show: String,
    summary: "Six runs.",
  });
  const heights = [...chart.matchAll(/<rect class="c(\d)" x="[^"]+" y="[^"]+" width="[^"]+" height="([^"]+)"/g)].map(
    ([, colour, height]) => [Number(colour), Number(height)],
  );
  // Four is the top of the axis: 182 of the picture's units.
  assert.deepEqual(heights, [
    [1, 136.5],
    [2, 45.5],
    [2, 91],
  ]);
  assert.match(chart, /<svg viewBox="0 0 640 220" role="img" aria-labelledby="x-title" aria-describedby="x-summary">/);
  assert.match(chart, /<figcaption id="x-title">Runs &lt;per&gt; day<\/figcaption>/);
  assert.ok(
    chart.includes('<tr><th scope="row">2027-01-02</th><td class="number">0</td><td class="number">2</td></tr>'),
  );
  assert.deepEqual([0, 0.3, 1, 3, 7, 11, 45, 81, 0.07].map(niceCeiling), [1, 0.4, 1, 4, 8, 20, 50, 100, 0.08]);
});

test("the command writes page, CSV and JSON, says who could not be read, and ends with 70 then", async () => {
  const room = await openLectern();
  try {
    const data = await room.bringUp("s001");
    await room.run(data, "census-20261116000000-0001", {
      exitCode: 0,
      times: { submitted: "2026-11-16T00:00:00Z", ended: "2026-11-16T01:00:00Z" },
    });
    const folder = join(room.course.folder, "report");
    const good = await room.mlt("course", "report");
    assert.deepEqual(
      [good.code, good.stdout, good.stderr],
      [
        0,
        `${join(folder, "report.html")}: 3 students, 1 run, 0.0 machine hours, about 0.00 USD\nBeside it: students.csv, runs.csv, report.json\n`,
        "",
      ],
    );
    assert.deepEqual(readdirSync(folder).sort(), [
      ".gitignore",
      "report.html",
      "report.json",
      "runs.csv",
      "students.csv",
    ]);
    const json = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as typeof report;
    assert.deepEqual([json.schema, json.course, json.totals.runs, json.runs[0]?.student], [1, "ml26", 1, "s001"]);
    await room.objects.write(data, "environment.json", "{}");
    const bad = await room.mlt("course", "report", "--json");
    assert.equal(bad.code, 70);
    assert.deepEqual((JSON.parse(bad.stdout) as { unread: string[] }).unread, ["s001"]);
  } finally {
    await room.close();
  }
});
