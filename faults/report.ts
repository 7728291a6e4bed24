import type { Group, GroupReport } from "./groups.ts";
import { STEP_NAMES, step } from "./steps.ts";

/** What a group came to. */
export interface Told {
  group: Group;
  report: GroupReport;
}

/** A table's lines, the first its head. */
function tableOf({ rows }: GroupReport): string[][] {
  const columns = [...new Set(rows.flatMap(({ cells = {} }) => Object.keys(cells)))];
  return [
    ["", ...columns, "right"],
    ...rows.map((row) => [
      row.name,
      ...columns.map((column) => row.cells?.[column] ?? ""),
      `${row.cases - row.wrong}/${row.cases}`,
    ]),
  ];
}

/** For a terminal, with everything that was wrong. */
export function plain(told: readonly Told[]): string {
  const lines: string[] = [];
  for (const { group, report } of told) {
    const table = tableOf(report);
    const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
    lines.push("", group.title, "");
    for (const line of table) {
      const cells = line.map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
      );
      lines.push(cells.join(" ").trimEnd());
    }
    lines.push(...report.clean, ...report.notRun, ...report.problems.map((problem) => `\n${problem}`));
  }
  return lines.join("\n");
}

/** `docs/faults.md`: the same for a reader, with the day on which it was so. */
export function markdown(told: readonly Told[], seconds: number): string {
  const rows = told.flatMap(({ report }) => report.rows);
  const cases = rows.reduce((sum, row) => sum + row.cases, 0);
  const wrong = rows.reduce((sum, row) => sum + row.wrong, 0);
  const minutes = Math.round(seconds / 60);
  const parts = told.map(({ group, report }) => {
    const [head = [], ...body] = tableOf(report);
    const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    const table = [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
    const notes = [...report.clean, ...report.notRun, ...report.problems.map((problem) => problem.split("\n")[0]!)];
    return `## ${group.title}\n\n${table}\n${notes.map((note) => `\n- ${note}`).join("")}`.trimEnd();
  });
  return `# What was injected, and how it ended

Recorded on ${new Date().toISOString().slice(0, 10)} with \`npm run -s faults -- --markdown > docs/faults.md\`, in ${minutes} minutes: ${cases} cases,
${cases - wrong} ended right, ${wrong} wrong. What a case is, when it is right, and what is shorter than in production:
[faults/README.md](../faults/README.md). The ends that are right are written in \`faults/cells/\`.

In the first table a cell holds the seconds from the fault to the end of the run's last machine (a second attempt's, where
there was one); \`✘\` marks a wrong end, \`·\` a step at which the fault cannot happen. Level \`guest\`: Debian with systemd
under nspawn; \`process\`: startup script and supervisor as processes, where a guest adds nothing.

${STEP_NAMES.map((name) => `\`${step(name).short}\` ${step(name).what}`).join(" · ")}

${parts.join("\n\n")}`;
}
