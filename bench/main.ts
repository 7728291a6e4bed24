import { parseArgs } from "node:util";
import { type BenchCloud, startBenchCloud } from "./cloud.ts";
import type { Row } from "./measure.ts";

type Progress = (line: string) => void;

/** The measures by name; each is loaded only when it is asked for. */
const MEASURES: Record<string, (progress: Progress, world: () => Promise<BenchCloud>) => Promise<Row[]>> = {
  preview: async (progress) => (await import("./preview.ts")).previewRows(progress),
  mlt: async (_progress, world) => (await import("./mlt.ts")).mltRows(await world()),
  storage: async (_progress, world) => (await import("./storage.ts")).storageRows(await world()),
  checkpoints: async (_progress, world) => (await import("./checkpoints.ts")).checkpointRows(await world()),
  report: async (progress) => (await import("./report.ts")).reportRows(progress),
  course: async (progress) => (await import("./course.ts")).courseRows(progress),
  students: async (progress) => (await import("./students.ts")).studentRows(progress),
  kubeflow: async (progress) => (await import("./kubeflow.ts")).kubeflowRows(progress),
  workstation: async (progress) => (await import("./workstation.ts")).workstationRows(progress),
  images: async (progress) => (await import("./images.ts")).imageRows(progress),
  rehearsal: async (progress) => (await import("./rehearsal.ts")).rehearsalRows(progress),
};

/** Not measured unless asked for: they take minutes. */
const ON_REQUEST = ["workstation", "images", "rehearsal"];

const USAGE = `npm run bench [-- --only NAME …] [-- --rehearsal] [-- --json]   NAME: ${Object.keys(MEASURES).join(", ")}`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      rehearsal: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const unknown = (values.only ?? []).filter((name) => !MEASURES[name]);
  if (unknown.length > 0) {
    console.error(`There is no measure ${unknown.join(", ")}. ${USAGE}`);
    return 64;
  }
  const usual = Object.keys(MEASURES).filter(
    (name) => !ON_REQUEST.includes(name) || (values.rehearsal && name === "rehearsal"),
  );
  const names = values.only ?? usual;
  const progress: Progress = (line) => console.error(`  ${line}`);
  let started: Promise<BenchCloud> | undefined;
  const world = () => {
    started ??= startBenchCloud(progress);
    return started;
  };
  const rows: Row[] = [];
  try {
    for (const name of names) {
      console.error(`${name} …`);
      rows.push(...((await MEASURES[name]?.(progress, world)) ?? []));
    }
  } finally {
    await (await started)?.close();
  }
  if (values.json) console.log(JSON.stringify(rows));
  else print(rows);
  return rows.some(({ met }) => met === false) ? 1 : 0;
}

function print(rows: Row[]): void {
  const cells = rows.map(({ measure, value, target, met, note }) => [
    measure,
    value,
    met === undefined ? target : `${target} ${met ? "met" : "MISSED"}`,
    note,
  ]);
  const all = [["measure", "value", "target", "note"], ...cells];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  for (const row of all) {
    console.log(
      row
        .map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell))
        .join("  ")
        .trimEnd(),
    );
  }
}

process.exit(await main());
