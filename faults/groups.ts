import type { GuestLevel } from "../localcloud/guests/guest.ts";

/** What every group is called with. */
export interface GroupOptions {
  /** The best level of machines that may be used; absent: the best that this host has. */
  guest?: GuestLevel;
  /** Cases side by side. */
  jobs: number;
  /** Only faults and steps whose names hold this. */
  fault?: string;
  step?: string;
  /** Only the cases that `npm test` runs. */
  subset?: boolean;
  /** What goes on, a line at a time. */
  progress: (line: string) => void;
}

/** One line of a group's table. */
export interface GroupRow {
  /** What was done, as `preemption, 30 s notice` or `launcher schedules`. */
  name: string;
  /** How many cases, and how many ended wrongly. */
  cases: number;
  wrong: number;
  /** Further cells of the row, by column. */
  cells?: Record<string, string>;
}

export interface GroupReport {
  rows: GroupRow[];
  /** Each wrong end in full: what was done, what came out, what is right, and the evidence. */
  problems: string[];
  /** Cases that could not be run here, and why. */
  notRun: string[];
  /** What `mlt clean --check` found before and after, in a line each. */
  clean: string[];
  /** For programs: every single case. */
  cases?: unknown[];
}

export interface Group {
  /** For `--only`. */
  name: string;
  title: string;
  /** It has faults and steps that `--fault` and `--step` choose from. */
  chooses?: boolean;
  /** It mostly waits: runs beside the groups that keep the processors busy. */
  beside?: boolean;
  /** Loads and runs the group; loaded only when it is asked for. */
  run(options: GroupOptions): Promise<GroupReport>;
}

/** Everything that `npm run faults` runs, in order. A new kind of fault is one entry here and one module. */
export const GROUPS: readonly Group[] = [
  {
    name: "runs",
    title: "A run, each fault at each step",
    chooses: true,
    run: async (options) => (await import("./runs.ts")).runRuns(options),
  },
  {
    name: "brakes",
    title: "Four brakes, each alone",
    chooses: true,
    run: async (options) => (await import("./brakes.ts")).runBrakes(options),
  },
  {
    name: "launcher",
    title: "The launcher, killed anywhere and hindered at random",
    run: async (options) => (await import("./launcher.ts")).runLauncher(options),
  },
  {
    name: "checkpoints",
    title: "Checkpoints, killed at every point",
    beside: true,
    run: async (options) => (await import("./checkpoints.ts")).runCheckpoints(options),
  },
  {
    name: "images",
    title: "An image's build, and a launcher that is killed at each of its steps",
    run: async (options) => (await import("../tests/images/imageFaults.ts")).runImages(options),
  },
];
