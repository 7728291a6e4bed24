import type { FaultCase } from "../case.ts";
import { answer, onCalls } from "../injections.ts";
import type { StepName } from "../steps.ts";
import { at, failed, lost, row, succeeded } from "./outcomes.ts";

// Faults of Cloud Storage, on the very object of a step. A guest adds nothing: the supervisor sees answers, or none.

const READS: StepName[] = ["status", "spec", "fetch", "inputs", "restore"];
const WRITES: StepName[] = ["claim", "checkpoint", "pointer", "output", "log", "final"];
const ALL = [...READS, ...WRITES];

/** What ends a run whose object answers `code` to the end: in the words of whoever has to put it right. */
const lasting = (code: number) => ({
  // It is not known whose the run is, so nothing may be written to its status.
  status: lost("provisioning"),
  claim: lost("provisioning"),
  spec: failed(new RegExp(`^spec\\.json could not be read: .*HTTP ${code}`)),
  fetch: failed(new RegExp(`^package could not be fetched: .*HTTP ${code}`)),
  inputs: failed(new RegExp(`^input f\\d+-\\d+/numbers\\.csv could not be downloaded: .*HTTP ${code}`)),
  // Without a checkpoint the run loses more if it is broken off; it is not broken off now.
  checkpoint: succeeded,
  pointer: succeeded,
  output: failed(new RegExp(`^outputs could not be saved: .*HTTP ${code}`)),
  // The log's segments are in the scratch bucket; the run itself went well.
  log: succeeded,
  final: lost("saving"),
});

export const BUCKET_CASES: FaultCase[] = [
  // A new binding is not known everywhere yet.
  ...row("bucket 403, twice", "process", at(ALL, succeeded), (step) => ({ inject: onCalls(step, answer(403), 2) })),
  ...row(
    "bucket 403, for good",
    "process",
    { ...lasting(403), restore: failed(/^checkpoints cannot be read: .*HTTP 403/) },
    (step) => ({ inject: onCalls(step, answer(403)) }),
  ),
  ...row(
    "bucket 404, for good",
    "process",
    {
      ...lasting(404),
      spec: failed(/^spec\.json is missing: gs:\/\/\S+ does not exist$/),
      fetch: failed(/^package is missing: gs:\/\/\S+ does not exist$/),
      restore: succeeded,
    },
    (step) => ({ inject: onCalls(step, answer(404)) }),
  ),
  ...row("bucket 412, once", "process", at(["claim", "pointer", "final"], succeeded), (step) => ({
    inject: onCalls(step, answer(412), 1),
  })),
  ...row(
    "bucket 412, for good",
    "process",
    { claim: lost("provisioning"), checkpoint: succeeded, pointer: succeeded, final: lost("saving") },
    (step) => ({ inject: onCalls(step, answer(412)) }),
  ),
  ...row("bucket 503, three times", "process", at(ALL, succeeded), (step) => ({
    inject: onCalls(step, answer(503), 3),
  })),
  ...row(
    "bucket 503, for good",
    "process",
    { ...lasting(503), restore: failed(/^checkpoints cannot be read: .*HTTP 503/) },
    (step) => ({ inject: onCalls(step, answer(503)) }),
  ),
  ...row("bucket breaks off, twice", "process", at(ALL, succeeded), (step) => ({
    inject: onCalls(step, { drop: "call" }, 2),
  })),
  // The write was done, and the machine never hears of it.
  ...row("bucket's answer lost", "process", at(ALL, succeeded), (step) => ({
    inject: onCalls(step, { drop: "answer" }, 1),
  })),
  ...row(
    "bucket slow (3 s)",
    "process",
    at(["claim", "fetch", "checkpoint", "output", "final"], succeeded),
    (step) => ({
      inject: onCalls(step, { delayMs: 3000 }, 2),
    }),
  ),
];
