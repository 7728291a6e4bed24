import type { FaultCase } from "../case.ts";
import { apisDown, CLOCK_PRELUDE, clockJump, dnsDown, fillDisk } from "../injections.ts";
import type { StepName } from "../steps.ts";
import { at, failed, row, succeeded, timedOut } from "./outcomes.ts";

// What a machine lives on: its disk, memory, clock, names and the way to Google.

const full = failed(/disk is full|No space left on device/);
const SOON = 45;
const REACH: StepName[] = [
  "status",
  "claim",
  "fetch",
  "inputs",
  "restore",
  "training",
  "checkpoint",
  "pointer",
  "output",
];

export const RESOURCE_CASES: FaultCase[] = [
  ...row(
    "disk full",
    "nspawn",
    {
      ...at(["fetch", "unpack", "venv", "inputs", "start", "training", "checkpoint"], full),
      // Everything that the run is for lies on the disk already; the whole log may be missing.
      ...at(["output", "log", "final"], succeeded),
    },
    (step) => ({ inject: fillDisk(), plan: { diskMb: 200 }, subset: step === "training" }),
  ),
  ...row(
    "out of memory",
    "nspawn",
    { training: failed(/^trainer was killed \(SIGKILL, exit 137\): most often the machine's memory was full/) },
    () => ({ inject: () => {}, arguments: ["--eat-memory"], plan: { memoryMb: 400 } }),
  ),
  ...[["clock jumps ahead 2 h", 7200] as const, ["clock jumps back 2 h", -7200] as const].flatMap(([name, seconds]) =>
    row(
      name,
      "process",
      at(["metadata", "claim", "fetch", "start", "training", "checkpoint", "output", "final"], succeeded),
      () => ({ inject: clockJump(seconds), plan: { prelude: CLOCK_PRELUDE } }),
    ),
  ),
  ...row("clock back 2 h, trainer never ends", "process", { training: timedOut }, () => ({
    inject: clockJump(-7200),
    plan: { prelude: CLOCK_PRELUDE },
    arguments: ["--never-end"],
    deadline: SOON,
  })),
  ...row("DNS down, 4 s", "nspawn", at(["metadata", ...REACH, "final", "delete"], succeeded), (step) => ({
    inject: dnsDown(4),
    subset: step === "fetch",
  })),
  ...row("Google's APIs away, 4 s", "process", at([...REACH, "log", "final", "delete"], succeeded), (step) => ({
    inject: apisDown(4),
    subset: step === "output",
  })),
  // Nothing can be saved, said or deleted any more: Google's own limit ends it, and a reader sees that it did.
  ...row("Google's APIs away, for good", "nspawn", at(["status", "fetch", "training", "output"], timedOut), () => ({
    inject: apisDown(),
    deadline: SOON,
  })),
];
