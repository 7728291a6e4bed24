import { html } from "../escape.ts";
import type { StackState } from "../usage/status.ts";
import { barChart } from "./charts.ts";
import type { Report, ReportStudent } from "./data.ts";
import { asset, pageOf } from "./document.ts";

const STATES: Readonly<Record<StackState, string>> = {
  up: "up",
  frozen: "frozen",
  none: "not up",
  unread: "cannot be read",
  leaving: "leaving",
  left: "left",
};

/** Name, whether it is a column of numbers, what the header says besides. */
const COLUMNS: readonly (readonly [name: string, number?: "number", title?: string])[] = [
  ["Id"],
  ["Name"],
  ["State"],
  ["Runs", "number"],
  ["Good", "number", "runs that succeeded"],
  ["Last run"],
  ["Outcome"],
  ["Hours", "number", "machine hours in all"],
  ["Week", "number", "machine hours since Monday, UTC"],
  ["Cost", "number", "US dollars, estimated"],
  ["Active", undefined, "last activity"],
];

/** The instructor's page: one file, which needs no network and shows everything also without its script. */
export function reportPage(report: Report): string {
  const { title, at, expires, totals, pricesAsOf, notes, frozen } = report;
  const share = totals.runs > 0 ? Math.round((100 * totals.succeeded) / totals.runs) : 0;
  const body = [
    `<a class="skip" href="#table">Skip to the table of students</a>`,
    `<header><div><h1><bdi>${html(title)}</bdi></h1>`,
    `<p>As of ${html(moment(at))} UTC. The course ends on ${html(expires)}.${frozen ? ` Frozen since ${html(moment(frozen))} UTC.` : ""}</p></div>`,
    `<div class="theme"><label for="theme">Theme</label><select id="theme"><option value="auto">As the system</option><option value="light">Light</option><option value="dark">Dark</option></select></div></header>`,
    `<main>`,
    `<dl class="cards">`,
    card("Students", String(totals.students), `${totals.up} up`),
    card("Runs", String(totals.runs), totals.runs > 0 ? `${share} % succeeded` : "none yet"),
    card("Machine hours", totals.hours.toFixed(1), "runs and workstations"),
    card("Cost, estimated", dollars(totals.cost), `list prices of ${pricesAsOf}`),
    `</dl>`,
    ...(notes.length > 0 ? [`<ul class="notes">${notes.map((note) => `<li>${html(note)}</li>`).join("")}</ul>`] : []),
    `<h2 id="over-time">Over time</h2>`,
    `<div class="charts">`,
    runsChart(report),
    costChart(report),
    `</div>`,
    `<h2 id="table">Students</h2>`,
    `<div class="controls"><div><label for="search">Search: name, id, state, outcome</label><input id="search" type="search" autocomplete="off" spellcheck="false"></div>`,
    `<p id="hits" class="quiet" role="status" aria-live="polite">${totals.students} of ${totals.students} students</p></div>`,
    `<div class="scroll" role="region" aria-labelledby="table" tabindex="0">`,
    studentTable(report.students, Date.parse(at)),
    `</div>`,
    `<p class="quiet">Costs are estimates from list prices of ${html(pricesAsOf)}: machines while they run and the workstations' disks; storage and network are not in them. Times are UTC; a week begins on Monday. The same figures, and every run: students.csv, runs.csv, report.json.</p>`,
    `</main>`,
  ].join("\n");
  return pageOf({ title: `${title}: report`, body, script: asset("client.js") });
}

function card(name: string, value: string, more: string): string {
  return `<div><dt>${html(name)}</dt><dd>${html(value)} <small>${html(more)}</small></dd></div>`;
}

function runsChart({ runsOverTime: counts, per, totals }: Report): string {
  const values = (of: "succeeded" | "failed" | "other" | "active") => counts.map((count) => count[of]);
  const busiest = counts.reduce((most, each) => (sum(each) > most.runs ? { from: each.from, runs: sum(each) } : most), {
    from: "",
    runs: 0,
  });
  return barChart({
    id: "runs",
    title: `Runs per ${per}`,
    label: per === "day" ? "Day" : "Week of",
    labels: counts.map(({ from }) => from),
    series: [
      { name: "succeeded", colour: "c1", values: values("succeeded") },
      { name: "failed", colour: "c2", values: values("failed") },
      { name: "cancelled or lost", colour: "c3", values: values("other") },
      { name: "still going on", colour: "c4", values: values("active") },
    ],
    show: (value) => String(Math.round(value * 100) / 100),
    summary: `${totals.runs} runs, ${totals.succeeded} of them succeeded; most on ${busiest.from}: ${busiest.runs}.`,
  });
}

function sum({ succeeded, failed, other, active }: Report["runsOverTime"][number]): number {
  return succeeded + failed + other + active;
}

function costChart({ costOverTime: weeks, totals }: Report): string {
  const dearest = weeks.reduce((most, each) => (each.cost > most.cost ? each : most), { week: "", cost: 0, hours: 0 });
  return barChart({
    id: "cost",
    title: "Estimated cost per week, US dollars",
    label: "Week of",
    labels: weeks.map(({ week }) => week),
    series: [{ name: "cost", colour: "c4", values: weeks.map(({ cost }) => cost) }],
    show: (value) => value.toFixed(2),
    summary: `${dollars(totals.cost)} in all; most in the week of ${dearest.week}: ${dollars(dearest.cost)}.`,
  });
}

function studentTable(students: readonly ReportStudent[], now: number): string {
  const head = COLUMNS.map(([name, number, title], index) => {
    const hint = title ? ` title="${html(title)}"` : "";
    return `<th scope="col"${number ? ' class="number"' : ""} aria-sort="${index === 0 ? "ascending" : "none"}"><button type="button"${hint}>${html(name)}</button></th>`;
  }).join("");
  const rows = students.map((student) => `<tr>${cells(student, now).join("")}</tr>`);
  return `<table id="students" aria-labelledby="table">\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join("\n")}\n</tbody></table>`;
}

function cells(
  { id, name = "", state, problem, runs, last, usage, lastActivity }: ReportStudent,
  now: number,
): string[] {
  const unread = state === "unread";
  const number = (shown: string) => `<td class="number">${unread ? "" : shown}</td>`;
  const remark = problem ?? (last && last.phase !== "succeeded" ? last.reason : undefined);
  const colour = unread ? "bad" : state === "up" ? "good" : "other";
  return [
    `<th scope="row">${html(id)}</th>`,
    `<td${direction(name)}>${html(name)}</td>`,
    `<td class="${colour}">${html(STATES[state])}</td>`,
    number(String(runs.total)),
    number(String(runs.succeeded)),
    last
      ? `<td data-v="${digits(last.at)}">${html(packageOf(last.id))} ${html(moment(last.at).slice(5))}</td>`
      : "<td></td>",
    outcome(last?.phase, remark),
    number(usage.hours.total.toFixed(1)),
    number(usage.hours.thisWeek.toFixed(1)),
    number(dollars(usage.cost.total)),
    lastActivity
      ? `<td data-v="${digits(lastActivity)}">${html(ago(now - Date.parse(lastActivity)))}</td>`
      : "<td></td>",
  ];
}

function outcome(phase: string | undefined, remark: string | undefined): string {
  const word = phase === undefined ? "" : html(wordOf(phase));
  const colour = phase === undefined ? "" : ` class="${outcomeColour(phase)}"`;
  if (!remark) return `<td${colour}>${word}</td>`;
  return `<td${colour} data-v="${word}">${word}<small${direction(remark)}>${html(remark)}</small></td>`;
}

/** Text that may be written from the right says so by itself, and turns nothing else round. */
function direction(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII.
  return /[^\u0000-\u007f]/.test(text) ? ' dir="auto"' : "";
}

/** A time as digits that sort: to the minute. */
function digits(time: string): string {
  return time.slice(0, 16).replace(/\D/g, "");
}

function outcomeColour(phase: string): string {
  if (phase === "succeeded") return "good";
  if (phase === "failed" || phase === "timedOut") return "bad";
  return ["cancelled", "preempted", "lost"].includes(phase) ? "other" : "busy";
}

function wordOf(phase: string): string {
  return phase === "timedOut" ? "timed out" : phase;
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}

/** `census` of `census-20261121080000-1a2b` */
function packageOf(id: string): string {
  return id.replace(/-\d{14}-[0-9a-f]{4}$/, "");
}

/** `2026-11-21 14:05` */
function moment(time: string): string {
  return time.slice(0, 16).replace("T", " ");
}

function ago(milliseconds: number): string {
  const minutes = Math.max(0, Math.round(milliseconds / 60_000));
  if (minutes < 120) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`;
}
