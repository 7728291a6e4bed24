export const KINDS = [
  "cluster",
  "machine",
  "disk",
  "snapshot",
  "image",
  "address",
  "template",
  "schedule",
  "router",
  "firewall",
  "subnetwork",
  "network",
  "binding",
  "serviceAccount",
  "role",
  "bucket",
] as const;
export type Kind = (typeof KINDS)[number];

/** One thing of ours that stands in a project. */
export interface Item {
  kind: Kind;
  /** Whose stack made it, as its label or its mark says. */
  environment: string;
  name: string;
  /** A zone, a region, a bucket's location, or `global`. */
  place: string;
  /** What Google's API calls it; of a binding the project. */
  path: string;
  /** Google's word (`RUNNING`, `TERMINATED`, `RESERVED`, …). */
  state?: string;
  /** What it is, in short: `e2-standard-4 Spot`, `50 GB pd-balanced`. */
  detail?: string;
  created?: string;
  /** Until when a machine may run, by its run's record or Google's own limit. */
  deadline?: string;
  /** The training run that a machine is for. */
  run?: { id: string; attempt: number; bucket?: string };
  /** A member's role on the project. */
  binding?: Binding;
  /** A machine that is up and may be: nothing of its environment goes unless that is named. */
  live?: true;
  /** Why it may go, whatever else its environment does; absent: it stands by right. */
  past?: string;
  /** True where `past` is about this very thing, and not about its whole environment. */
  pastByItself?: true;
  /** USD at list price; absent: not known. */
  perMonth?: number;
  /** Not everything was counted. */
  atLeast?: true;
}

export interface Binding {
  role: string;
  member: string;
  condition?: { title?: string; description?: string; expression?: string };
}

/** A bucket that Google keeps for a while after its deletion. */
export interface SoftDeleted {
  name: string;
  environment: string;
  generation: string;
  location: string;
  deleted: string;
  /** When it goes for good; nobody can end it earlier. */
  until: string;
  /** Google restores no bucket with hierarchical namespace. */
  restorable: boolean;
}

/** Something that looks like ours by its name, or by its mark, but not by both: it is shown and never touched. */
export interface Lookalike {
  kind: Kind;
  name: string;
  place: string;
  environment: string;
  why: string;
}

/** A list that could not be read, or not all of it. */
export interface Gap {
  what: string;
  why: string;
  /** What the caller would need in the project. */
  permission?: string;
  /** The API that would have to be enabled. */
  api?: string;
}

/** All that is ours in a project, and what could not be seen. */
export interface Inventory {
  project: string;
  /** RFC 3339: when it was looked at. */
  at: string;
  /** The one environment that was asked for; absent: all. */
  environment?: string;
  items: Item[];
  softDeleted: SoftDeleted[];
  lookalikes: Lookalike[];
  gaps: Gap[];
}
