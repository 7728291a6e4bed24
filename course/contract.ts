import type { Scope } from "../components/config.ts";

// What the parts of the course tools hand to each other. A course is a folder with course.yaml and roster.csv.

/** A student as the roster has it. */
export interface Student {
  /** Fixed width within a course: `s001`. */
  id: string;
  /** Shown in tables, reports and invitations; never in a resource's name, label or in Pulumi's state. */
  name: string;
  /** An IAM member: `user:ann@example.com` or `group:team@example.com`. */
  member: string;
  /** What this student has otherwise than the course. */
  overrides: Overrides;
  /** The roster's line. */
  line: number;
}

/** Limits of one student; `undefined`: the course's. */
export interface Limits {
  machineTypes: string[];
  /** GPUs at once. */
  gpus: number;
  /** Machine hours a week, all machines of a student together. */
  hoursPerWeek: number;
  /** US dollars, estimated for one run at its time limit. */
  costPerRun: number;
  /** Time limit of a run, hours. */
  maxHours: number;
}

export type Overrides = Partial<Limits> & { workstation?: boolean };

/** course.yaml, checked and with defaults. */
export interface Course {
  /** Prefix of every environment's name. */
  name: string;
  title: string;
  /** The day after which everything may be removed, `yyyy-mm-dd`. */
  expires: string;
  preset: "default" | "freeTrial" | "course";
  projects: string[];
  region: string;
  limits: Limits;
  /** Settings of `mltraining:workstation` for everybody; `false`: none. */
  workstation: false | Record<string, unknown>;
  /** Where Pulumi keeps the stacks' states: `gs://BUCKET[/PREFIX]` or `file:///FOLDER`. The course's own record lies beside. */
  state: string;
  /** `gcpkms://…`, or `passphrase`. */
  secretsProvider: string;
  /** Whom students ask. */
  contact: string;
  /** IAM members who may do everything. */
  instructors: string[];
  /** Folder that course.yaml lies in. */
  folder: string;
}

/** A student's place, kept beside the stacks' states: given once and never changed. */
export interface Place {
  id: string;
  project: string;
  /** `ml26-s001` */
  environment: string;
  /** Name of the student's stack: the environment's. */
  stack: string;
}

/** The course's own record, `course.json` beside the states. Written with a precondition; any instructor reads it. */
export interface CourseRecord {
  schema: 1;
  course: string;
  /** By student id; those who left keep their place, so that nobody else gets it. */
  places: Record<string, Place>;
  /** Students who left, by id: when their results were exported and verified and when their stack was destroyed. */
  left: Record<string, { exported?: string; destroyed?: string }>;
  /** Set by `freeze`, ISO time. */
  frozen?: string;
  /** Ids of those who are frozen; absent where `frozen` is set: everybody. */
  frozenStudents?: string[];
  /** What Pulumi's settings files say of the states' encryption, the same for all stacks; no secret by itself. */
  secrets?: { secretsprovider?: string; encryptionsalt?: string; encryptedkey?: string };
  /** By stack: what its last `up` was made of, and the state that it left; see `course/unchanged.ts`. */
  applied?: Record<string, { of: string; mark: string }>;
  /** The shared data bucket (`course put`), made by the first project's foundation. */
  dataBucket?: string;
  /** The last verified export, and what it covered. */
  exported?: { at: string; to: string; students: string[] };
}

/** A stack of a course. */
export interface StackPlan {
  name: string;
  project: string;
  scope: Scope;
  /** Config keys without their namespace `mltraining:`. */
  config: Record<string, unknown>;
  /** Of a student's stack. */
  student?: Student;
}

/** How one student's turn in `up`, `down`, `freeze`, … ended. */
export interface Outcome {
  stack: string;
  student?: string;
  result: "done" | "unchanged" | "failed" | "skipped";
  /** One line, the user's words. */
  reason?: string;
  seconds: number;
}
