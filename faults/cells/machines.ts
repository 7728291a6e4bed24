import type { FaultCase } from "../case.ts";
import { preempt, reset, secondMachine, startAgain } from "../injections.ts";
import type { StepName } from "../steps.ts";
import { at, retried, row, succeeded } from "./outcomes.ts";

// What happens to whole machines: only one with an init system, a power button and a disk shows it.

const BEFORE_SAVING: StepName[] = [
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
  "training",
  "checkpoint",
  "pointer",
];
const SAVING: StepName[] = ["output", "log", "final", "delete"];

export const MACHINE_CASES: FaultCase[] = [
  ...row("preemption, 30 s notice", "nspawn", { ...at(BEFORE_SAVING, retried), ...at(SAVING, succeeded) }, (step) => ({
    inject: preempt(30_000),
    subset: step === "training",
  })),
  ...row(
    "preemption, no notice",
    "nspawn",
    // The final phase may have been written just before the power went.
    { ...at([...BEFORE_SAVING, "output", "log"], retried), final: [succeeded, retried], delete: succeeded },
    () => ({ inject: preempt(0) }),
  ),
  ...row("reset button", "nspawn", at([...BEFORE_SAVING, ...SAVING], succeeded), (step) => ({
    inject: reset,
    subset: step === "checkpoint",
  })),
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
