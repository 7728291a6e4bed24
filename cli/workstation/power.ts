import { EXIT } from "../../training/errors.ts";
import { machinePerHour, stoppedCost } from "../../workstation/cost.ts";
import { targetOf, workstationOf } from "../../workstation/environment.ts";
import { gone, Machine } from "../../workstation/machine.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { printJson } from "../output/print.ts";
import { say } from "./session.ts";

/** Stops the workstation: its memory is lost, its disks stay and cost. */
export async function stop(options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  const record = workstationOf(environment);
  const target = targetOf(environment);
  const machine = new Machine(target);
  const instance = await machine.look();
  if (!instance) throw gone(target);
  const wasOff = instance.status === "TERMINATED";
  if (!wasOff) {
    say(`stopping ${target.name}`);
    await machine.stop();
  }
  if (options.json) printJson({ machine: target.name, state: "stopped", changed: !wasOff });
  else console.log(`${target.name} ${wasOff ? "was stopped already" : "is stopped"}: ${stoppedCost(record)}.`);
  return 0;
}

/** Starts the workstation and says what it costs and when it stops. */
export async function start(options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  const record = workstationOf(environment);
  const target = targetOf(environment);
  const machine = new Machine(target);
  const instance = await machine.look();
  if (!instance) throw gone(target);
  const { status } = instance;
  if (["STOPPING", "SUSPENDING", "PENDING_STOP"].includes(status)) {
    say(`${target.name} is still being stopped; start it when that is done (mlt status)`);
    return EXIT.failedBeforeTraining;
  }
  const isOff = status === "TERMINATED" || status === "SUSPENDED";
  if (isOff) {
    say(`starting ${target.name}`);
    await machine.start();
  }
  if (options.json) {
    printJson({ machine: target.name, state: "running", changed: isOff });
    return 0;
  }
  const price = machinePerHour(record, instance);
  const cost = price === undefined ? "price unknown" : `about ${price.toFixed(3)} USD/h`;
  const ends = [
    ...(record.idleMinutes > 0 ? [`after ${record.idleMinutes} idle minutes`] : []),
    ...(record.schedule ? [`at "${record.schedule.stop}" (cron), ${record.schedule.timeZone}`] : []),
  ];
  const stops = ends.length > 0 ? `it stops by itself ${ends.join(" and ")}` : "nothing stops it by itself: mlt stop";
  console.log(
    `${target.name} ${isOff ? "is starting" : `runs already (${status})`}: ${cost}, ${stops}. See: mlt status`,
  );
  return 0;
}
