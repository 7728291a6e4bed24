import type { FaultCase } from "../case.ts";
import { signal } from "../injections.ts";
import type { StepName } from "../steps.ts";
import { at, failed, row, succeeded, timedOut } from "./outcomes.ts";

// Signals to the supervisor (on a machine whose systemd hears of it) and to what it started (a process is a process).

const BEFORE_SAVING: StepName[] = [
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
const TRAINING: StepName[] = ["start", "training", "checkpoint", "pointer"];

const killed = failed(/^the supervisor was ended: signal, KILL$/);
const stopped = failed(/^the supervisor was ended: somebody stopped its unit$/);
const unready = failed(/^the supervisor was ended: it ended before it was ready$/);
const hung = failed(/^the supervisor was ended: it did not answer systemd's watchdog$/);

/** The watchdog's minutes as seconds. */
const WATCHDOG = {
  unit: "WatchdogSec=6\nTimeoutAbortSec=2\n",
  limits: { ML_TRAINING_WATCHDOG_SECONDS: "1" },
};
/** Seconds to a deadline that is waited for. */
const SOON = 45;

export const PROCESS_CASES: FaultCase[] = [
  ...row(
    "SIGKILL of the supervisor",
    "nspawn",
    // Whether the last write of all arrived before the end cannot be known; both words are true.
    { ...at([...BEFORE_SAVING, "output", "log"], killed), final: [succeeded, killed], delete: succeeded },
    (step) => ({ inject: signal("supervisor", "SIGKILL"), subset: step === "training" }),
  ),
  ...row(
    "SIGTERM of the supervisor",
    "nspawn",
    // A trainer that has ended needs no more than to be saved, and that is done.
    {
      ...at(BEFORE_SAVING, stopped),
      metadata: [stopped, unready],
      ...at(["output", "log", "final", "delete"], succeeded),
    },
    () => ({ inject: signal("supervisor", "SIGTERM") }),
  ),
  ...row(
    "supervisor hangs (SIGSTOP)",
    "nspawn",
    {
      ...at(["claim", "spec", "fetch", "inputs", "restore", "start", "training", "checkpoint", "pointer"], hung),
      ...at(["output", "log"], hung),
      final: [succeeded, hung],
      delete: succeeded,
    },
    () => ({ inject: signal("supervisor", "SIGSTOP"), plan: WATCHDOG }),
  ),
  ...row(
    "SIGKILL of the trainer",
    "process",
    at(TRAINING, failed(/^trainer was killed \(SIGKILL, exit 137\): most often the machine's memory was full/)),
    (step) => ({ inject: signal("trainer", "SIGKILL"), subset: step === "training" }),
  ),
  ...row(
    "SIGTERM of the trainer",
    "process",
    at(TRAINING, failed(/^trainer was killed by signal 15 \(exit 143\)/)),
    () => ({ inject: signal("trainer", "SIGTERM") }),
  ),
  ...row("trainer hangs (SIGSTOP)", "process", at(TRAINING, timedOut), () => ({
    inject: signal("trainer", "SIGSTOP"),
    deadline: SOON,
  })),
  ...row("trainer hangs, deaf to SIGTERM", "nspawn", { training: timedOut }, () => ({
    inject: () => {},
    arguments: ["--ignore-sigterm", "--never-end"],
    deadline: SOON,
  })),
  ...row(
    "SIGKILL of venv or pip",
    "process",
    {
      venv: failed(/^python -m venv failed: exit 137$/),
      pip: failed(/^pip install failed: exit 137$/),
    },
    (step) => ({ inject: signal(step === "pip" ? "pip" : "venv", "SIGKILL") }),
  ),
  ...row("venv or pip hangs (SIGSTOP)", "process", at(["venv", "pip"], timedOut), (step) => ({
    inject: signal(step === "pip" ? "pip" : "venv", "SIGSTOP"),
    deadline: SOON,
  })),
];
