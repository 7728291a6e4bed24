import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { GuestLevel } from "../localcloud/guests/guest.ts";
import { GROUPS, type GroupReport, type GroupRow } from "./groups.ts";

const NAMES = GROUPS.map(({ name }) => name);
const USAGE = `npm run faults [-- --only GROUP …] [--fault NAME] [--step NAME] [--guest nspawn|process] [--jobs N] [--json]
  GROUP: ${NAMES.join(", ")}`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      fault: { type: "string" },
      step: { type: "string" },
      guest: { type: "string" },
      jobs: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const jobs = Number(values.jobs ?? 4 * availableParallelism());
  const unknown = (values.only ?? []).filter((name) => !NAMES.includes(name));
  const problem =
    unknown.length > 0
      ? `There is no group ${unknown.join(", ")}.`
      : !Number.isInteger(jobs) || jobs < 1
        ? `--jobs is a whole number from 1; got "${values.jobs}".`
        : values.guest !== undefined && !["nspawn", "process"].includes(values.guest)
          ? `--guest is nspawn or process; got "${values.guest}".`
          : undefined;
  if (problem) {
    console.error(`${problem}\n${USAGE}`);
    return 64;
  }
  const started = Date.now();
  const since = () => `${String(Math.round((Date.now() - started) / 1000)).padStart(4)} s`;
  const reports: Record<string, GroupReport> = {};
  for (const group of GROUPS.filter(({ name }) => !values.only || values.only.includes(name))) {
    console.error(`${since()}  ${group.title} …`);
    reports[group.name] = await group.run({
      jobs,
      ...(values.guest ? { guest: values.guest as GuestLevel } : {}),
      ...(values.fault ? { fault: values.fault } : {}),
      ...(values.step ? { step: values.step } : {}),
      progress: (line) => console.error(`${since()}  ${line}`),
    });
  }
  if (values.json) console.log(JSON.stringify(reports));
  else for (const [name, report] of Object.entries(reports)) print(name, report);
  const rows = Object.values(reports).flatMap((report) => report.rows);
  const cases = sum(rows, "cases");
  const wrong = sum(rows, "wrong");
  console.error(`${since()}  ${cases} cases, ${cases - wrong} ended right, ${wrong} wrong`);
  return wrong > 0 || cases === 0 ? 1 : 0;
}

const sum = (rows: readonly GroupRow[], key: "cases" | "wrong") => rows.reduce((total, row) => total + row[key], 0);

function print(name: string, report: GroupReport): void {
  const { title } = GROUPS.find((group) => group.name === name)!;
  console.log(`\n${title}\n`);
  const columns = [...new Set(report.rows.flatMap(({ cells = {} }) => Object.keys(cells)))];
  const lines = [
    ["", ...columns, "right"],
    ...report.rows.map((row) => [
      row.name,
      ...columns.map((column) => row.cells?.[column] ?? ""),
      `${row.cases - row.wrong}/${row.cases}`,
    ]),
  ];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  for (const line of lines) {
    console.log(
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join(" ")
        .trimEnd(),
    );
  }
  for (const line of [...report.clean, ...report.notRun]) console.log(line);
  for (const problem of report.problems) console.log(`\n${problem}`);
}

process.exit(await main());
