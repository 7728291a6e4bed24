import type { FaultCase } from "../case.ts";
import { answer, onMetadata } from "../injections.ts";
import type { StepName } from "../steps.ts";
import { at, lost, row, succeeded, timedOut } from "./outcomes.ts";

// Faults of the metadata server, whose every answer they strike. For some seconds: a guest adds nothing. For good, before
// the machine knows who it is: it can neither work nor delete itself, and only Google's own limit is left, which ends
// machines that stay on (a guest of processes is off when its first process ends).

const STEPS: StepName[] = [
  "boot",
  "metadata",
  "status",
  "claim",
  "fetch",
  "training",
  "checkpoint",
  "output",
  "delete",
];
/** The token is there, and nothing else is asked for any more that could not be missed. */
const LATER: StepName[] = ["claim", "fetch", "start", "training", "checkpoint", "output", "final", "delete"];
const SECONDS = 3;
const SOON = 45;

export const METADATA_CASES: FaultCase[] = [
  ...row("metadata down, 3 s", "process", at(STEPS, succeeded), (step) => ({
    inject: onMetadata({ drop: "call" }, SECONDS),
    subset: step === "metadata",
  })),
  ...row("metadata 500, 3 s", "process", at(STEPS, succeeded), () => ({ inject: onMetadata(answer(500), SECONDS) })),
  ...row(
    "metadata 404, 3 s",
    "process",
    // A key that is missing at boot is what a machine of somebody else's looks like: it says so, and goes.
    { ...at(STEPS, succeeded), boot: [succeeded, lost("provisioning")] },
    () => ({ inject: onMetadata(answer(404), SECONDS) }),
  ),
  ...row("metadata slow (1 s an answer)", "process", at(STEPS, succeeded), () => ({
    inject: onMetadata({ delayMs: 1000 }),
  })),
  ...row("metadata hangs (12 s), once", "process", at(["boot", "metadata", "status"], succeeded), () => ({
    inject: onMetadata({ delayMs: 12_000 }, 0.5),
  })),
  ...row("metadata down, for good", "process", at(LATER, succeeded), () => ({ inject: onMetadata({ drop: "call" }) })),
  ...row("metadata 404, for good", "process", at(LATER, succeeded), () => ({ inject: onMetadata(answer(404)) })),
  ...row("metadata 500, for good", "process", at(LATER, succeeded), () => ({ inject: onMetadata(answer(500)) })),
  ...[
    ["metadata down, for good", { drop: "call" } as const] as const,
    ["metadata 404, for good", answer(404)] as const,
    ["metadata 500, for good", answer(500)] as const,
  ].flatMap(([name, effect]) =>
    row(name, "nspawn", at(["boot", "metadata"], timedOut), () => ({ inject: onMetadata(effect), deadline: SOON })),
  ),
];
