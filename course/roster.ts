import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CsvError, parse } from "csv-parse/sync";
import { checkMachineType } from "../components/machineTypes.ts";
import { environmentProblem } from "../components/names.ts";
import { fileReason, quotable } from "../training/files.ts";
import { nearest } from "../training/nearest.ts";
import type { Overrides, Student } from "./contract.ts";
import { environmentOf, LONGEST_ENVIRONMENT, RESERVED_IDS } from "./names.ts";
import { LIMIT_RULES } from "./schema.ts";

export const ROSTER_FILE = "roster.csv";

/** More students than a course can have: the file is something else. */
export const MOST_STUDENTS = 10_000;

const COLUMNS = [
  "id",
  "name",
  "email",
  "group",
  "workstation",
  "machineTypes",
  "gpus",
  "hoursPerWeek",
  "costPerRun",
  "maxHours",
] as const;
type Column = (typeof COLUMNS)[number];

/** Other ways to write a column's name, in lower case without spaces, hyphens and underscores. */
const ALIASES: Readonly<Record<string, Column>> = {
  mail: "email",
  emailaddress: "email",
  studentid: "id",
  fullname: "name",
};

export interface RosterReading {
  students: Student[];
  /** Each names the line and, where there is one, the column. */
  problems: string[];
}

/** Reads and checks a folder's roster.csv. Never throws for what is wrong with the file. */
export async function readRoster(folder: string, course?: { name: string }): Promise<RosterReading> {
  let data: Buffer;
  try {
    data = await readFile(join(folder, ROSTER_FILE));
  } catch (error) {
    const missing = (error as { code?: unknown }).code === "ENOENT";
    const problem = missing
      ? `there is no ${ROSTER_FILE}: copy the example, examples/course/roster.example.csv, and fill it in`
      : `${ROSTER_FILE} cannot be read: ${fileReason(error) ?? (error as Error).message}`;
    return { students: [], problems: [problem] };
  }
  return parseRoster(data, course);
}

interface Row {
  cells: string[];
  line: number;
}

/**
 * A roster: students in the file's order, or every problem with line and column. Pure. Names may be anything that fits
 * one line: what is dangerous in them is made harmless where they go out (`escape.ts`).
 * @param course without one, whether names of environments fit is not looked at
 */
export function parseRoster(data: Buffer | string, course?: { name: string }): RosterReading {
  const text = textOf(data);
  if (text.problem !== undefined) return refused(text.problem);
  const { rows, problems } = rowsOf(text.text);
  const [header, ...body] = rows;
  if (!header)
    return refused(
      problems[0] ?? `${ROSTER_FILE} is empty: it must hold the columns id, name, email, and a line for each student`,
    );
  const delimiter = delimiterProblem(header);
  if (delimiter) return refused(delimiter);
  const columns = columnsOf(header, problems);
  if (body.length === 0 && problems.length === 0)
    problems.push(`${ROSTER_FILE} holds no student: below the columns' names, a line for each`);
  if (body.length > MOST_STUDENTS) {
    return refused(`${ROSTER_FILE} holds ${body.length} students; ${MOST_STUDENTS} is the most. Is it the right file?`);
  }
  const students = columns
    ? body.map((row) => studentOf(row, { columns, width: header.cells.length }, problems, course))
    : [];
  if (columns) problems.push(...together(students, columns));
  return problems.length > 0 ? { students: [], problems: inOrder([...new Set(problems)]) } : { students, problems };
}

function refused(problem: string): RosterReading {
  return { students: [], problems: [problem] };
}

/** By line; problems of the whole file first. */
function inOrder(problems: readonly string[]): string[] {
  const lineOf = (problem: string) => Number(/^\S+ line (\d+)/.exec(problem)?.[1] ?? 0);
  return [...problems].sort((a, b) => lineOf(a) - lineOf(b));
}

function textOf(data: Buffer | string): { text: string; problem?: undefined } | { problem: string } {
  if (typeof data === "string") return { text: data };
  if ((data[0] === 0xff && data[1] === 0xfe) || (data[0] === 0xfe && data[1] === 0xff)) {
    return { problem: `${ROSTER_FILE} is UTF-16 ("Unicode text"); save it as "CSV UTF-8 (comma delimited)"` };
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    if (!text.includes("\0")) return { text };
    return {
      problem: `${ROSTER_FILE} holds bytes that are no text. Is it a workbook? Save it as "CSV UTF-8 (comma delimited)"`,
    };
  } catch {
    const workbook = data.subarray(0, 2).toString("latin1") === "PK";
    return {
      problem: workbook
        ? `${ROSTER_FILE} is a workbook (.xlsx); save it as "CSV UTF-8 (comma delimited)"`
        : `${ROSTER_FILE} is no UTF-8 text; save it as "CSV UTF-8 (comma delimited)"`,
    };
  }
}

function rowsOf(text: string): { rows: Row[]; problems: string[] } {
  const problems: string[] = [];
  const parsed = parse(text, {
    bom: true,
    info: true,
    trim: true,
    relax_column_count: true,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      if (error) problems.push(quoteProblem(error));
      return undefined;
    },
  }) as unknown as { record: string[]; info: { lines: number } }[];
  const rows = parsed
    .map(({ record, info }) => {
      // The reader counts the line that a record ends on.
      const breaks = record.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
      return { cells: record, line: info.lines - breaks };
    })
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  return { rows, problems };
}

function quoteProblem(error: CsvError): string {
  const { lines } = error as unknown as { lines?: number };
  const where = `${ROSTER_FILE} line ${lines ?? "?"}`;
  if (error.code === "CSV_QUOTE_NOT_CLOSED") return `${ROSTER_FILE} has a quote (") that is not closed`;
  if (error.code === "INVALID_OPENING_QUOTE" || error.code === "CSV_INVALID_CLOSING_QUOTE")
    return `${where} has a quote (") in the middle of a cell; put the whole cell into quotes, and write "" for one in it`;
  return `${where} cannot be read: ${error.message.split("\n")[0]}`;
}

function delimiterProblem({ cells, line }: Row): string | undefined {
  if (cells.length > 1) return undefined;
  const [cell = ""] = cells;
  const found = ([";", "\t", "|"] as const).find((mark) => cell.includes(mark));
  if (!found) return undefined;
  const word = { ";": "semicolons", "\t": "tabs", "|": "bars" }[found];
  return `${ROSTER_FILE} line ${line} is separated by ${word}, a roster by commas. Save it as "CSV UTF-8 (comma delimited)"; spreadsheets in some languages write ${word} all the same: replace them then, and put cells that hold a comma into quotes`;
}

function columnsOf({ cells, line }: Row, problems: string[]): Map<Column, number> | undefined {
  const columns = new Map<Column, number>();
  const before = problems.length;
  cells.forEach((cell, index) => {
    const at = `${ROSTER_FILE} line ${line}, column ${index + 1}`;
    const key = cell.toLowerCase().replace(/[\s_-]/g, "");
    const column = COLUMNS.find((each) => each.toLowerCase() === key) ?? ALIASES[key];
    if (column === undefined) {
      if (cell === "") return;
      const meant = nearest(cell, [...COLUMNS]);
      problems.push(
        `${at}: there is no column ${show(cell)}; ${meant ? `did you mean ${meant}?` : `those are ${COLUMNS.join(", ")}`}`,
      );
    } else if (columns.has(column)) problems.push(`${at}: the column ${column} is there twice`);
    else columns.set(column, index);
  });
  const missing = (["id", "name"] as const).filter((column) => !columns.has(column)) as string[];
  if (!columns.has("email") && !columns.has("group")) missing.push("email (or group)");
  if (missing.length === 3 && problems.length > before) {
    problems.length = before;
    problems.push(
      `${ROSTER_FILE} line ${line} must name the columns, such as id,name,email; got ${show(cells.join(","))}`,
    );
  } else if (missing.length > 0) {
    problems.push(`${ROSTER_FILE} line ${line}: the column ${missing.join(" and the column ")} is missing`);
  }
  // Without these nothing can be said about the lines; an unknown column is no reason not to look at the others.
  return missing.length === 0 ? columns : undefined;
}

/** Google's accounts and groups have plain addresses. */
const ADDRESS = /^[A-Za-z0-9_][A-Za-z0-9._%+'-]*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}$/;

function studentOf(
  { cells, line }: Row,
  { columns, width }: { columns: ReadonlyMap<Column, number>; width: number },
  problems: string[],
  course: { name: string } | undefined,
): Student {
  const cell = (column: Column): string => cells[columns.get(column) ?? -1] ?? "";
  const tell = (column: Column, problem: string) =>
    problems.push(`${ROSTER_FILE} line ${line}, column ${column}: ${problem}`);
  if (cells.slice(width).some((each) => each !== "")) {
    problems.push(
      `${ROSTER_FILE} line ${line} has ${cells.length} cells, and there are ${width} columns; put a cell that holds a comma into quotes`,
    );
  }
  const id = cell("id");
  const wrong = idProblem(id, course);
  if (wrong) tell("id", wrong);
  const name = cell("name").normalize("NFC");
  if (name === "") tell("name", "is empty; it is what you find a student by");
  else if ([...name].some((character) => character < " " || character === "\u007f"))
    tell("name", `must be on one line; got ${show(name)}`);
  else if (name.length > 200) tell("name", `must be at most 200 characters; got ${name.length}`);

  const [email, group] = [cell("email"), cell("group")];
  const column = email !== "" || group === "" ? "email" : "group";
  if (email !== "" && group !== "") tell("group", "there is an e-mail, too; a student is one person or one group");
  else if (email === "" && group === "") tell("email", `is empty${columns.has("group") ? ", and so is group" : ""}`);
  for (const [where, address] of [
    ["email", email],
    ["group", group],
  ] as const) {
    if (address !== "" && !ADDRESS.test(address)) {
      tell(
        where,
        `must be the address of a Google ${where === "email" ? "account" : "group"}, such as ann@example.com; got ${show(address)}`,
      );
    }
  }
  const address = (column === "email" ? email : group).toLowerCase();
  return {
    id,
    name,
    member: `${column === "email" ? "user" : "group"}:${address}`,
    overrides: overridesOf(cell, tell),
    line,
  };
}

function idProblem(id: string, course: { name: string } | undefined): string | undefined {
  if (id === "") return "is empty; give each student one, such as s001, s002, …";
  if (!/^[a-z0-9]+$/.test(id)) {
    const legal = id.toLowerCase().replace(/[^a-z0-9]/g, "");
    const meant = legal && !RESERVED_IDS.includes(legal) ? `; did you mean ${legal}?` : "";
    return `must be lower case letters and digits, because it ends the environment's name${meant}; got ${show(id)}`;
  }
  if (RESERVED_IDS.includes(id)) return `must not be "${id}", which mlt uses itself; take another`;
  if (!course) return undefined;
  const name = environmentOf(course, id);
  if (name.length > LONGEST_ENVIRONMENT) {
    return `makes the environment's name ${name} ${name.length} characters long, and ${LONGEST_ENVIRONMENT} is the most; take shorter ids, or a shorter name in course.yaml`;
  }
  const problem = environmentProblem(name);
  return problem && `the environment's name ${problem}`;
}

type Tell = (column: Column, problem: string) => void;

function overridesOf(cell: (column: Column) => string, tell: Tell): Overrides {
  const overrides: Overrides = {};
  const station = cell("workstation").toLowerCase();
  if (/^(true|yes|1|x)$/.test(station)) overrides.workstation = true;
  else if (/^(false|no|0)$/.test(station)) overrides.workstation = false;
  else if (station !== "")
    tell("workstation", `must be yes or no, or empty for what the course has; got ${show(cell("workstation"))}`);

  const types = cell("machineTypes")
    .split(/[\s,;|]+/)
    .filter(Boolean);
  for (const type of types) {
    for (const problem of checkMachineType(type).problems) tell("machineTypes", problem);
  }
  if (types.length > 0) overrides.machineTypes = [...new Set(types)];

  for (const key of ["gpus", "hoursPerWeek", "costPerRun", "maxHours"] as const) {
    const written = cell(key);
    if (written === "") continue;
    const { least, most, whole, unit } = LIMIT_RULES[key];
    const value = /^\d+(\.\d+)?$/.test(written) ? Number(written) : Number.NaN;
    if (Number.isNaN(value) || value < least || value > most || (whole && !Number.isInteger(value)))
      tell(
        key,
        `must be ${whole ? "a whole number of" : "a number of"} ${unit} from ${least} to ${most}; got ${show(written)}`,
      );
    else overrides[key] = value;
  }
  return overrides;
}

/** What is wrong with students only beside each other. */
function together(students: readonly Student[], columns: ReadonlyMap<Column, number>): string[] {
  const problems: string[] = [];
  const ids = new Map<string, number>();
  const members = new Map<string, number>();
  for (const { id, member, line } of students) {
    const at = (column: Column) => `${ROSTER_FILE} line ${line}, column ${column}`;
    if (id !== "" && ids.has(id))
      problems.push(`${at("id")}: ${show(id)} is there twice, first in line ${ids.get(id)}`);
    else ids.set(id, line);
    const [kind = "", address = ""] = member.split(/:(.*)/s);
    if (address === "") continue;
    const column = kind === "group" || !columns.has("email") ? "group" : "email";
    if (members.has(address)) {
      problems.push(`${at(column)}: ${show(address)} is there twice, first in line ${members.get(address)}`);
    } else members.set(address, line);
  }
  const width = usualWidth(students);
  for (const { id, line } of students) {
    if (!/^[a-z0-9]+$/.test(id) || id.length === width) continue;
    const instead = padded(id, width);
    problems.push(
      `${ROSTER_FILE} line ${line}, column id: ${show(id)} has ${id.length} characters, the others ${width}: all ids must be of one width, so that none begins another${instead ? `; write ${show(instead)}` : ""}`,
    );
  }
  return problems;
}

/** The width that most ids have; of two as frequent the wider. */
function usualWidth(students: readonly Student[]): number {
  const counts = new Map<number, number>();
  for (const { id } of students) if (id !== "") counts.set(id.length, (counts.get(id.length) ?? 0) + 1);
  return [...counts].sort(([a, of], [b, other]) => other - of || b - a)[0]?.[0] ?? 0;
}

/** `s7` → `s007` and `s0007` → `s007`; `undefined` where digits alone do not do it. */
function padded(id: string, width: number): string | undefined {
  const [, letters = "", digits = ""] = /^(.*?)(\d*)$/.exec(id) ?? [];
  const number = digits.replace(/^0+(?=\d)/, "");
  if (digits === "" || letters.length + number.length > width) return undefined;
  return letters + number.padStart(width - letters.length, "0");
}

function show(value: string): string {
  return JSON.stringify(quotable(value));
}
