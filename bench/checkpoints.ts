import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bench, until } from "../tests/startup-scripts/machine.ts";
import type { BenchCloud } from "./cloud.ts";
import type { Row } from "./measure.ts";

// What a checkpoint costs: how fast it reaches the bucket, against the same bytes without one, and what the supervisor
// takes of a machine while its trainer works.

const SCRIPT = fileURLToPath(new URL("checkpoints.py", import.meta.url));
const MEGABYTES = 128;
const RUNS = 7;
const IDLE_SECONDS = 30;
/** The kernel counts processor time in hundredths of a second (USER_HZ on every Linux of today). */
const TICKS = 100;
const MAX_MB = 60;
const MAX_SHARE = 0.01;
const LEAST_RATIO = 0.8;

export async function checkpointRows(world: BenchCloud): Promise<Row[]> {
  return [await rate(world, 4), await rate(world, 1), ...(await supervisor())];
}

async function rate({ bucket, environment }: BenchCloud, files: number): Promise<Row> {
  const args = ["-B", SCRIPT, bucket.replace("gs://", ""), String(MEGABYTES), String(files), String(RUNS)];
  const { stdout } = await promisify(execFile)("python3", args, { env: { PATH: process.env.PATH, ...environment } });
  const { plain, checkpoint, ratio, whole } = JSON.parse(stdout) as Record<
    "plain" | "checkpoint" | "ratio" | "whole",
    number
  >;
  const what = files === 1 ? "one file" : `${files} files`;
  return {
    measure: `checkpoint of ${MEGABYTES} MB in ${what}`,
    value: `${ratio.toFixed(2)} ×`,
    target: `≥ ${LEAST_RATIO} ×`,
    met: ratio >= LEAST_RATIO,
    note: `${checkpoint.toFixed(0)} MB/s; the storage service's own upload rate ${plain.toFixed(0)} MB/s; ${whole.toFixed(2)} × with the reading that goes on while the folder comes to rest; median of ${RUNS}`,
  };
}

/** Saves 100 MB, then trains on without a word: what runs on most machines most of the time. */
const TRAINER = `
import os, time
with open(os.environ["CHECKPOINT_DIR"] + "/model", "wb") as file:
    for _ in range(100):
        file.write(os.urandom(1 << 20))
time.sleep(3600)
`;

async function supervisor(): Promise<Row[]> {
  if (process.platform !== "linux") return [];
  const ends: (() => unknown)[] = [];
  try {
    // The tests' machine that is a folder wants of a test only that it is told when it is over.
    const b = await bench({ after: (end: () => unknown) => void ends.unshift(end) } as never);
    b.pack({ "train.py": TRAINER });
    b.submit();
    const real = {
      ML_TRAINING_HEARTBEAT_SECONDS: "10",
      ML_TRAINING_LOG_SECONDS: "5",
      ML_TRAINING_RETRY_SECONDS: "600",
    };
    const { child, ended } = b.start(real);
    await until("the checkpoint is in the bucket", () => b.status().checkpoint?.n === 1, 120);
    const before = processorSeconds(child.pid!);
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
    const share = (processorSeconds(child.pid!) - before) / IDLE_SECONDS;
    const peak = peakMb(child.pid!);
    child.kill("SIGTERM");
    await ended;
    return [
      {
        measure: "supervisor, share of a core",
        value: `${(share * 100).toFixed(2)} %`,
        target: `< ${MAX_SHARE * 100} %`,
        met: share < MAX_SHARE,
        note: `${IDLE_SECONDS} s beside a trainer that neither writes nor ends`,
      },
      {
        measure: "supervisor, peak memory",
        value: `${peak.toFixed(0)} MB`,
        target: `< ${MAX_MB} MB`,
        met: peak < MAX_MB,
        note: "from boot, with a checkpoint of 100 MB on the way",
      },
    ];
  } finally {
    for (const end of ends) await end();
  }
}

function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function peakMb(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) / 1024;
}
