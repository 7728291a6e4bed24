// `node faults/preemptedRun.ts > docs/preempted-run.md`: follows one run that is preempted, as a person sees it, and
// writes down what was seen.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { lineSplitter, run } from "../localcloud/guests/command.ts";
import { writePackage } from "./package.ts";
import { createWorld, type World } from "./world.ts";

const MLT = join(import.meta.dirname, "..", "cli", "mlt.js");
const INPUT = "numbers";

interface Seen {
  /** Seconds since the command was started. */
  at: number;
  text: string;
}

async function record(world: World): Promise<string> {
  const folder = writePackage(join(world.folder, "numbers"), { input: INPUT });
  writeFileSync(
    join(folder, "training.yaml"),
    `name: numbers\ncommand: [python, train.py, --slowly]\ninputs: [${INPUT}]\nmachineType: e2-standard-2\nspot: true\nmaxHours: 1\n`,
  );
  await world.environment.objects.write(world.environment.buckets.data, `input/${INPUT}/numbers.csv`, "1,2,3\n");
  const seen: Seen[] = [];
  const began = Date.now();
  const note = (text: string) => seen.push({ at: (Date.now() - began) / 1000, text });
  let preempted = false;
  world.join(
    "",
    { level: world.noGuests ? "process" : "nspawn", folder: world.folder, limits: {} },
    {
      call(call) {
        if (preempted || call.query !== "trainer=step-90" || !call.machine) return;
        preempted = true;
        note(`--- Google takes ${call.machine} back: its 30 s begin ---`);
        const path = world.pathOf(call.machine);
        if (path) void world.cloud.machines.preempt(path);
      },
    },
  );
  const environment = { ...process.env, MLT_ENVIRONMENT: `gs://${world.environment.buckets.data}` };
  const child = spawn(process.execPath, [MLT, "train", folder, "--yes"], { env: environment });
  for (const stream of [child.stdout, child.stderr]) {
    const lines = lineSplitter(note);
    stream.setEncoding("utf8").on("data", (chunk: string) => lines.push(chunk));
    stream.on("end", () => lines.end());
  }
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  note(`--- mlt train has ended: exit ${code} ---`);
  const { stdout: status } = await run(process.execPath, [MLT, "status", "latest"], { env: environment });
  const level = world.noGuests
    ? "processes (no machine with an init system can run here)"
    : "nspawn (Debian with systemd)";
  return markdown(seen, status, level);
}

function markdown(seen: readonly Seen[], status: string, level: string): string {
  const told = shorten(seen).map(({ at, text }) => `${at.toFixed(1).padStart(6)}  ${text}`.trimEnd());
  return `# A preempted run, followed

Recorded on ${new Date().toISOString().slice(0, 10)} with \`node faults/preemptedRun.ts > docs/preempted-run.md\`: \`mlt train\` as a person
sees it, in front of the local cloud, on machines of the level ${level}. In front of each line: seconds since the
command was started. The middle of long rows of the trainer's own lines is left out (\`…\`).

\`\`\`text
${told.join("\n")}
\`\`\`

What stands in the bucket afterwards, as \`mlt status latest\` shows it:

\`\`\`text
${status.trim()}
\`\`\`

What to look at: the trainer is asked to end and saves; that very state is in the bucket within the notice, as a
checkpoint of its own; the second machine, in another zone, begins at the step at which the first one ended. A trainer
that does not heed SIGTERM goes on from the last checkpoint that was whole, at most one interval (30 s) back.
`;
}

/** Leaves out the middle of long rows of the trainer's lines. */
function shorten(seen: readonly Seen[]): Seen[] {
  const isStep = (line?: Seen) => /^step \d+$/.test(line?.text ?? "");
  const kept: Seen[] = [];
  for (const [index, line] of seen.entries()) {
    const [before, after] = [seen.slice(index - 2, index), seen.slice(index + 1, index + 3)];
    const middle = before.length === 2 && after.length === 2 && [...before, line, ...after].every(isStep);
    if (!middle) kept.push(line);
    else if (kept.at(-1)?.text !== "…") kept.push({ at: line.at, text: "…" });
  }
  return kept;
}

const world = await createWorld((line) => console.error(line));
try {
  console.log((await record(world)).trimEnd());
} finally {
  await world.close();
}
process.exit(0);
