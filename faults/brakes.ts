import type { FaultCase, Injection } from "./case.ts";
import { failed, timedOut } from "./cells/outcomes.ts";
import { mltClean } from "./clean.ts";
import type { GroupOptions, GroupReport } from "./groups.ts";
import { machineOf, placeOf, signal } from "./injections.ts";
import { chosen, runTable } from "./table.ts";

// Four brakes end a machine; each is shown to do it alone, with the three others switched off.

/** Google's own limit, so far away that it never comes. */
const NEVER = 24 * 3600;
/** The supervisor's unit without watchdog, limit and last words, and a deletion that does nothing. */
const NO_SYSTEMD = {
  unit: "WatchdogSec=0\nRuntimeMaxSec=infinity\nExecStopPost=\n",
  deletionUnit: "ExecStart=\nExecStart=/bin/true\nRestart=no\n",
};
/** Instead of the supervisor something that never does anything. */
const NO_SUPERVISOR = {
  unit: `Type=exec\nExecStart=\nExecStart=/bin/sleep infinity\n${NO_SYSTEMD.unit}`,
  deletionUnit: NO_SYSTEMD.deletionUnit,
};
const ENDLESS = ["--ignore-sigterm", "--never-end"];
const DEADLINE = 40;

const CASES: readonly FaultCase[] = [
  {
    fault: "the supervisor alone: a trainer that never ends",
    step: "training",
    level: "nspawn",
    expected: [timedOut],
    inject: () => {},
    arguments: ENDLESS,
    machineLimit: NEVER,
    deadline: DEADLINE,
    plan: NO_SYSTEMD,
  },
  {
    fault: "systemd alone: its watchdog, of a supervisor that hangs",
    step: "training",
    level: "nspawn",
    expected: [failed(/^the supervisor was ended: it did not answer systemd's watchdog$/)],
    inject: signal("supervisor", "SIGSTOP"),
    machineLimit: NEVER,
    plan: {
      unit: "WatchdogSec=6\nTimeoutAbortSec=2\nRuntimeMaxSec=infinity\n",
      limits: { ML_TRAINING_WATCHDOG_SECONDS: "1" },
    },
  },
  {
    fault: "systemd alone: its time limit, of a supervisor that hangs",
    step: "training",
    level: "nspawn",
    expected: [failed(/^the supervisor was ended: it did not end in time$/)],
    inject: signal("supervisor", "SIGSTOP"),
    arguments: ENDLESS,
    machineLimit: NEVER,
    plan: { unit: "WatchdogSec=0\nRuntimeMaxSec=15\nTimeoutStopSec=2\n" },
  },
  {
    fault: "Google's maxRunDuration alone: neither supervisor nor units",
    step: "boot",
    level: "nspawn",
    expected: [timedOut],
    inject: () => {},
    deadline: DEADLINE,
    plan: NO_SUPERVISOR,
  },
  {
    fault: "mlt clean --delete alone: a stopped machine, whose limit Google cleared",
    step: "boot",
    level: "nspawn",
    expected: [timedOut],
    inject: (injection) => void stopAndReap(injection),
    deadline: DEADLINE,
    plan: NO_SUPERVISOR,
  },
];

/** Somebody stops the machine; past its deadline it is still there, and `mlt clean --delete` takes it away. */
async function stopAndReap(injection: Injection): Promise<void> {
  const { world, run, pause, problem } = injection;
  try {
    await pause(3000);
    const { guest } = machineOf(injection);
    await fetch(`${world.cloud.operatorUrl}/compute/v1/${placeOf(injection)}/stop`, { method: "POST" });
    await guest.off;
    const { deadline } = await injection.status();
    await pause(Date.parse(deadline) - Date.now() + 3000);
    if (world.machines(run.machine).length !== 1) problem("the stopped machine went before mlt clean was called");
    const { code, said } = await mltClean(world.cloud.project, "--delete", "--yes");
    if (code !== 0) problem(`mlt clean --delete ended with ${code}: ${said}`);
  } catch (error) {
    problem((error as Error).message);
  }
}

/** Runs the four brakes, each alone. */
export function runBrakes(options: GroupOptions): Promise<GroupReport> {
  return runTable(chosen(CASES, options), options, ([result]) => ({
    level: "guest",
    end: `${result?.phase}${result?.reason ? ` (${short(result.reason)})` : ""}`,
    "s after the fault": result?.seconds?.toFixed(0) ?? "?",
    "s after the deadline": result?.afterDeadline?.toFixed(0) ?? "?",
  }));
}

/** Without the names and times that differ from case to case. */
function short(reason: string): string {
  return reason.replace(/mlt-\S+/g, "the machine").replace(/ \(?\d{4}-\d\d-\d\dT[^) ]*\)?/g, "");
}
