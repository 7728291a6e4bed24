// Which of a student's machines break the course's limits, and how. Pure; times are milliseconds since 1970.
import { findMachineType } from "../../catalog/machineTypes.ts";
import { hourlyPrice } from "../../catalog/prices.ts";
import { runPrefix, workstationName } from "../../components/names.ts";
import type { Limits } from "../contract.ts";

/** A machine as Compute Engine shows it, as far as limits go. */
export interface Machine {
  /** Google's number: another machine of the same name is another one. */
  id: string;
  name: string;
  zone: string;
  project: string;
  status: string;
  type: string;
  spot: boolean;
  gpus: { type: string; count: number }[];
  created: number;
  /** When it was started last; absent: never again. */
  started?: number;
  /** `scheduling.maxRunDuration`; absent: Google lets it run for ever. */
  maxRunSeconds?: number;
  /** What Google does at the end of that time. */
  atItsEnd?: string;
  publicAddress: boolean;
  serviceAccount?: string;
  /** GB, all disks together. */
  diskGb: number;
  /** Metadata `mlt-run`: what run it is for, as whoever made it says. */
  run?: string;
}

/** What else has to be known of a student to judge the machines. */
export interface Situation {
  limits: Limits;
  /** The student's service account. */
  account: string;
  now: number;
  /** Machine hours of this week, all machines together. */
  hours: number;
  /** The workstation as the course has it; absent: this student has none. */
  workstation?: { type: string; gpus: number; publicAddress: boolean };
  /** Whether a run is on record; `undefined`: it could not be found out. */
  isRun: (id: string) => boolean | undefined;
}

export interface Broken {
  machine: Machine;
  /** A workstation holds the student's work: it is stopped and not deleted. */
  action: "delete" | "stop";
  reasons: string[];
}

/** A launcher writes the record before it asks for the machine; what is made by hand has none, however long one waits. */
export const RECORD_GRACE_MS = 2 * 60_000;
/** A machine that Google or its owner has stopped: Google forgets its time limit, and its disk is billed. */
export const STOPPED_GRACE_MS = 5 * 60_000;
/** Between the limit as it was asked for and as Google writes it. */
const SLACK_SECONDS = 60;
/** A machine for training has one disk of 50 GB, with a GPU 100; nothing in a course needs more. */
export const MOST_DISK_GB = 200;

/** As in `estimate` of training/price.ts. */
const RECKONED_DISK_GB = 50;

/** Whether a name is one that the student's rights reach, and of what. */
export function kindOf(name: string, environment: string): "run" | "workstation" | undefined {
  if (name === workstationName(environment)) return "workstation";
  return name.startsWith(runPrefix(environment)) ? "run" : undefined;
}

/** The machines of one student that break a limit, each with every reason. `machines`: the student's and no others. */
export function broken(environment: string, machines: readonly Machine[], situation: Situation): Broken[] {
  const tooMany = overGpus(machines, situation.limits.gpus);
  return machines.flatMap((machine): Broken[] => {
    const kind = kindOf(machine.name, environment);
    // What is on its way out needs no second word.
    if (!kind || machine.status === "STOPPING") return [];
    const reasons = kind === "run" ? ofRun(machine, situation) : ofWorkstation(machine, situation);
    if (tooMany.has(machine)) {
      reasons.push(`with it ${tooMany.get(machine)} GPUs run at once, and ${situation.limits.gpus} may`);
    }
    if (reasons.length === 0) return [];
    return [{ machine, action: kind === "run" ? "delete" : "stop", reasons }];
  });
}

export const isUp = ({ status }: Pick<Machine, "status">): boolean =>
  ["PROVISIONING", "STAGING", "RUNNING", "REPAIRING"].includes(status);

function ofRun(machine: Machine, { limits, account, now, hours, isRun }: Situation): string[] {
  const reasons = [...always(machine, account)];
  const { type, spot, maxRunSeconds, created } = machine;
  if (!limits.machineTypes.includes(type)) {
    reasons.push(`machine type ${type} is none of ${limits.machineTypes.join(", ")}`);
  }
  if (machine.publicAddress) reasons.push("it has a public address");
  if (maxRunSeconds === undefined) reasons.push("it has no time limit (scheduling.maxRunDuration)");
  else {
    const most = limits.maxHours * 3600;
    if (maxRunSeconds > most + SLACK_SECONDS) {
      reasons.push(`its time limit of ${hoursText(maxRunSeconds / 3600)} is over ${hoursText(limits.maxHours)}`);
    }
    if (machine.atItsEnd !== "DELETE") reasons.push("Google would not delete it when its time is over");
    // Reckoned as `mlt train` does before it asks for the machine: what it lets through is not deleted here.
    const price = hourlyPrice(type, spot, { bootDiskGb: RECKONED_DISK_GB, gpu: machine.gpus[0] });
    const cost = price && Math.round((price.perHour * maxRunSeconds) / 36) / 100;
    if (cost !== undefined && cost > limits.costPerRun) {
      reasons.push(`its run may cost ${cost.toFixed(2)} USD, and ${limits.costPerRun.toFixed(2)} may be spent on one`);
    }
  }
  if (now - created > limits.maxHours * 3_600_000 + SLACK_SECONDS * 1000) {
    reasons.push(`it is older than ${hoursText(limits.maxHours)}`);
  }
  if (machine.diskGb > MOST_DISK_GB) reasons.push(`its disks have ${machine.diskGb} GB, and ${MOST_DISK_GB} GB may be`);
  if (isUp(machine) && hours > limits.hoursPerWeek) reasons.push(overHours(hours, limits));
  if (["TERMINATED", "STOPPED", "SUSPENDED"].includes(machine.status) && now - created > STOPPED_GRACE_MS) {
    reasons.push(`it is ${machine.status.toLowerCase()}, which ends its time limit, and its disk costs`);
  }
  if (now - created > RECORD_GRACE_MS) {
    if (machine.run === undefined) reasons.push("it is for no run (metadata mlt-run)");
    else if (isRun(machine.run) === false)
      reasons.push(`it is for the run ${machine.run.slice(0, 60)}, which is not on record`);
  }
  return reasons;
}

function ofWorkstation(machine: Machine, { limits, account, hours, workstation }: Situation): string[] {
  // What does not run costs a disk, and what is on it is the student's.
  if (!isUp(machine)) return [];
  const reasons = [...always(machine, account)];
  if (!workstation) return [...reasons, "this student has no workstation"];
  if (machine.type !== workstation.type)
    reasons.push(`its machine type is ${machine.type} and not ${workstation.type}`);
  const gpus = gpusOf(machine);
  if (gpus > workstation.gpus) reasons.push(`it has ${gpus} GPUs and not ${workstation.gpus}`);
  if (machine.publicAddress && !workstation.publicAddress) reasons.push("it has a public address");
  if (hours > limits.hoursPerWeek) reasons.push(overHours(hours, limits));
  return reasons;
}

/** What holds for every machine. */
function always({ serviceAccount }: Machine, account: string): string[] {
  if (serviceAccount === undefined || serviceAccount === account) return [];
  return [`it runs as ${serviceAccount} and not as ${account}`];
}

/** Machines with which there are more GPUs than may be, the newest first; with how many there are. */
function overGpus(machines: readonly Machine[], most: number): Map<Machine, number> {
  const over = new Map<Machine, number>();
  let count = 0;
  const up = machines.filter((machine) => isUp(machine) && gpusOf(machine) > 0);
  for (const machine of up.sort((one, other) => one.created - other.created || (one.name < other.name ? -1 : 1))) {
    count += gpusOf(machine);
    if (count > most) over.set(machine, count);
  }
  return over;
}

export function gpusOf({ gpus, type }: Pick<Machine, "gpus" | "type">): number {
  const attached = gpus.reduce((sum, { count }) => sum + count, 0);
  // Types with GPUs of their own show them in the list, too; one that does not is known by its type.
  return attached || (findMachineType(type)?.gpu?.count ?? 0);
}

function overHours(hours: number, limits: Limits): string {
  return `${hoursText(hours)} of this week's ${hoursText(limits.hoursPerWeek)} are used`;
}

function hoursText(hours: number): string {
  return `${Math.round(hours * 10) / 10} h`;
}
