import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { GuestLevel } from "../localcloud/guests/guest.ts";
import { GROUPS, type Group, type GroupReport, type GroupRow } from "./groups.ts";
import { markdown, plain } from "./report.ts";

const NAMES = GROUPS.map(({ name }) => name);
const USAGE = `npm run faults [-- --only GROUP …] [--fault NAME] [--step NAME] [--guest nspawn|process] [--jobs N] [--json | --markdown]
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
      markdown: { type: "boolean" },
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
  const run = async (group: Group) => {
    console.error(`${since()}  ${group.title} …`);
    reports[group.name] = await group.run({
      jobs,
      ...(values.guest ? { guest: values.guest as GuestLevel } : {}),
      ...(values.fault ? { fault: values.fault } : {}),
      ...(values.step ? { step: values.step } : {}),
      progress: (line) => console.error(`${since()}  ${line}`),
    });
  };
  const all = GROUPS.filter((group) => group.chooses || (!values.fault && !values.step));
  const wanted = values.only ? GROUPS.filter(({ name }) => values.only?.includes(name)) : all;
  const beside = Promise.all(wanted.filter((group) => group.beside).map(run));
  beside.catch(() => {}); // told when it is waited for
  for (const group of wanted) if (!group.beside) await run(group);
  await beside;
  const told = wanted.map((group) => ({ group, report: reports[group.name]! }));
  if (values.json) console.log(JSON.stringify(reports));
  else console.log(values.markdown ? markdown(told, (Date.now() - started) / 1000) : plain(told));
  const rows = Object.values(reports).flatMap((report) => report.rows);
  const cases = sum(rows, "cases");
  const wrong = sum(rows, "wrong");
  console.error(`${since()}  ${cases} cases, ${cases - wrong} ended right, ${wrong} wrong`);
  return wrong > 0 || cases === 0 ? 1 : 0;
}

const sum = (rows: readonly GroupRow[], key: "cases" | "wrong") => rows.reduce((total, row) => total + row[key], 0);

process.exit(await main());
