import type { FaultCase } from "../case.ts";
import { preempt, reset, secondMachine, startAgain } from "../injections.ts";
import type { StepName } from "../steps.ts";
import { at, resumed, retried, row, succeeded } from "./outcomes.ts";

// What happens to whole machines: only one with an init system, a power button and a disk shows it.

const BEFORE_TRAINING: StepName[] = [
  "boot",
  "metadata",
  "status",
  "claim",
  "spec",
  "fetch",
  "unpack",
  "venv",
  "pip",
  "inputs",
  "restore",
  "start",
];
const SAVING: StepName[] = ["output", "log", "final", "delete"];

export const MACHINE_CASES: FaultCase[] = [
  ...row(
    "preemption, 30 s notice",
    "nspawn",
    {
      ...at(BEFORE_TRAINING, retried),
      // The last checkpoint is saved within the notice: what was trained is never trained again.
      ...at(["training", "checkpoint", "pointer"], resumed),
      ...at(SAVING, succeeded),
    },
    (step) => ({ inject: preempt(30_000), subset: step === "training" }),
  ),
  ...row(
    "preemption, no notice",
    "nspawn",
    // The final phase may have been written just before the power went.
    {
      ...at([...BEFORE_TRAINING, "training", "checkpoint", "output", "log"], retried),
      // Half of a checkpoint is none; the one before it, if there was one, is whole.
      pointer: retried,
      final: [succeeded, retried],
      delete: succeeded,
    },
    () => ({ inject: preempt(0) }),
  ),
  // After a power cut only what the bucket has is trusted: a training whose first checkpoint was under way begins anew.
  ...row(
    "reset button",
    "nspawn",
    at([...BEFORE_TRAINING, "training", "checkpoint", "pointer", ...SAVING], succeeded),
    (step) => ({ inject: reset, subset: step === "pointer" }),
  ),
  ...row(
    "startup script run twice",
    "nspawn",
    at(["claim", "fetch", "start", "training", "checkpoint", "output", "final"], succeeded),
    () => ({ inject: startAgain, trainings: 1 }),
  ),
  ...row(
    "two machines, one attempt",
    "nspawn",
    at(["boot", "claim", "fetch", "start", "training", "checkpoint", "output", "final"], succeeded),
    (step) => ({ inject: secondMachine, trainings: 1, subset: step === "fetch" }),
  ),
];
