import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import program from "../index.ts";
import { record } from "../tests/helpers/record.ts";
import type { Row } from "./measure.ts";

// The program of 200 students' stacks, one after the other, against mocks: what a course costs to plan, and whether
// anything of a stack stays in memory.

const STUDENTS = 200;
const TARGET_SECONDS = 60;

export async function studentRows(progress: (line: string) => void): Promise<Row[]> {
  const names = Array.from({ length: STUDENTS }, (_, index) => `student-${String(index + 1).padStart(3, "0")}`);
  const students = Object.fromEntries(names.map((name) => [name, `${name}@bench-project.iam.gserviceaccount.com`]));
  const foundation = {
    project: "bench-project",
    subnetworks: { "us-central1": "projects/bench-project/regions/us-central1/subnetworks/base" },
    students,
  };
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const memory: number[] = [];
  let resources = 0;
  const started = performance.now();
  for (const [index, name] of names.entries()) {
    const recording = await record(program, {
      stack: name,
      config: {
        "gcp:project": "bench-project",
        "mltraining:scope": "student",
        "mltraining:foundation": "base",
        "mltraining:environment": name,
      },
      state: ({ type }) => (type === "pulumi:pulumi:StackReference" ? { outputs: { foundation } } : undefined),
      calls: { "gcp:compute/getImage:getImage": () => ({ name: "ubuntu-2404-noble-amd64-v20261101" }) },
    });
    resources += recording.resources.length;
    if (index % 20 === 19) {
      collect();
      memory.push(process.memoryUsage().heapUsed / 2 ** 20);
      progress(`${index + 1} stacks, ${memory.at(-1)?.toFixed(0)} MB on the heap`);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const growth = (memory.at(-1) ?? 0) - (memory[0] ?? 0);
  return [
    {
      measure: `${STUDENTS} student stacks planned (mocks)`,
      value: `${seconds.toFixed(1)} s`,
      target: `< ${TARGET_SECONDS} s`,
      met: seconds < TARGET_SECONDS,
      note: `${resources} resources; heap from stack 20 to ${STUDENTS}: ${growth >= 0 ? "+" : ""}${growth.toFixed(0)} MB`,
    },
  ];
}
