// What the course tells a student: a short text in the data bucket, which only instructors write, and the end of the run.
import type { OpenEnvironment } from "../../training/environment.ts";
import { isRunId } from "../../training/ids.ts";
import { NOTICE_OBJECT } from "../../training/notice.ts";
import { ACTIVE, changeStatus, oneLine, readStored } from "../../training/status.ts";
import { Conflict } from "../../training/storage.ts";

/** The newest lines are kept; nobody reads more. */
const KEPT_LINES = 50;

export interface Told {
  machine: string;
  run?: string;
  action: "delete" | "stop";
  reasons: readonly string[];
  now: number;
}

/** Writes the notice, and into the run's status why its machine is gone. */
export async function tellStudent(environment: OpenEnvironment, told: Told): Promise<void> {
  const past = told.action === "delete" ? "deleted" : "stopped";
  const why = `${told.machine} was ${past} by the course: ${told.reasons.join("; ")}`;
  await append(environment, `${new Date(told.now).toISOString().replace(/\.\d+Z$/, "Z")} ${why.replace(/\s+/g, " ")}`);
  if (told.run !== undefined && isRunId(told.run)) await endRun(environment, told.run, { ...told, why });
}

async function append({ objects, buckets }: OpenEnvironment, line: string): Promise<void> {
  for (let round = 0; ; round += 1) {
    const found = await objects.read(buckets.data, NOTICE_OBJECT);
    const before = found?.data.toString("utf8").split("\n").filter(Boolean) ?? [];
    const text = `${[line, ...before].slice(0, KEPT_LINES).join("\n")}\n`;
    try {
      await objects.write(buckets.data, NOTICE_OBJECT, text, {
        ifGeneration: found?.generation ?? 0,
        contentType: "text/plain; charset=utf-8",
      });
      return;
    } catch (error) {
      if (!(error instanceof Conflict) || round >= 9) throw error;
    }
  }
}

/** The run whose machine this was has no other: what its status says last is why. */
async function endRun({ objects, buckets }: OpenEnvironment, id: string, told: Told & { why: string }): Promise<void> {
  if (!(await readStored(objects, buckets.data, id))) return;
  await changeStatus(objects, buckets.data, id, "reconciler", (status) => {
    if (status.machine?.name !== told.machine || !ACTIVE.includes(status.phase)) return undefined;
    const times = { ...status.times, ended: new Date(told.now).toISOString() };
    return { ...status, phase: "lost", reason: oneLine(told.why), times };
  });
}
