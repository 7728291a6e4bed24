import { Conflict, type Objects } from "../training/storage.ts";
import type { BaseImage } from "./base.ts";
import { objectsOf } from "./ids.ts";
import type { ImageManifest } from "./manifest.ts";

/** Raised when the shape below changes in a way that an older reader would misread. */
export const SCHEMA = 1;

/**
 * The steps of a build, in order; each is what is to be done next. `kept`: the image is good and stays outside the
 * family; `unneeded` never occurs in a state. The last three are final.
 */
export const STEPS = [
  "prepared",
  "building",
  "built",
  "imaging",
  "candidate",
  "testing",
  "tested",
  "promoting",
  "promoted",
  "kept",
  "failed",
] as const;
export type Step = (typeof STEPS)[number];

export const FINAL: readonly Step[] = ["promoted", "kept", "failed"];

/** `gs://DATA/images/BUILD/state.json`: where a build stands, written before each step by whoever drives it. */
export interface BuildState {
  schema: number;
  id: string;
  environment: string;
  family: string;
  project: string;
  step: Step;
  /** Why it failed, or why the image was not promoted; one line. */
  reason?: string;
  /** The machines take from here what to do, and the files from recipe.tar.gz. */
  recipe: { sha256: string; bytes: number; files: number; manifest: ImageManifest };
  base: BaseImage;
  /** The git commit of the recipe's clone, if it was in one. */
  commit?: string;
  /** Name of the image that it makes. */
  image: string;
  /** Zone of the machine, before it is asked for; absent: none was asked for yet. */
  builder: { name: string; zone?: string };
  tester: { name: string; zone?: string };
  machineType: string;
  spot: boolean;
  diskGb: number;
  buckets: { data: string; scratch: string };
  /** Whether the image goes into the family when it has passed its test. */
  promote: boolean;
  /** RFC 3339, when each step began. */
  times: Partial<Record<Step, string>>;
  /** What the builder found and left out, for the record. */
  built?: { python?: string; skipped?: string[]; traces?: Record<string, string> };
  /** Whether its machines and disks are known to be gone. */
  cleaned: boolean;
}

/**
 * What a machine says at its end. `marker.json` and `test.json` hold it as text, with a keyed hash of it: the key was
 * given to that machine alone, so that no other machine of the environment can speak in its name.
 */
export interface Marker {
  build: string;
  role: "build" | "test";
  ok: boolean;
  reason?: string;
  /** The machine was being switched off: its work did not fail, it was cut short. */
  interrupted?: boolean;
  python?: string;
  /** What this kind of machine could not do. */
  skipped?: string[];
  /** Hashes of what must differ between machines. */
  traces?: Record<string, string>;
}

export interface StoredState {
  state: BuildState;
  generation: string;
}

export async function readState(objects: Objects, bucket: string, id: string): Promise<StoredState | undefined> {
  const found = await objects.readJson<BuildState>(bucket, objectsOf(id).state);
  return found && { state: found.value, generation: found.generation };
}

/** Another launcher writes the same build: this one has nothing more to say about it. */
export class Overtaken extends Error {
  override name = "Overtaken";
}

/** A build's state in the hands of the one launcher that drives it. */
export class StateFile {
  readonly #objects: Objects;
  #generation: string;
  #state: BuildState;

  constructor(objects: Objects, { state, generation }: StoredState) {
    this.#objects = objects;
    this.#state = state;
    this.#generation = generation;
  }

  /** Writes the first state; nothing of the build exists yet. */
  static async create(objects: Objects, state: BuildState): Promise<StateFile> {
    const generation = await objects.writeJson(state.buckets.data, objectsOf(state.id).state, state, 0);
    return new StateFile(objects, { state, generation });
  }

  get state(): BuildState {
    return this.#state;
  }

  /** @throws {Overtaken} when somebody else wrote in between */
  async write(change: Partial<BuildState>, now: number): Promise<BuildState> {
    const next = { ...this.#state, ...change };
    if (change.step) next.times = { ...next.times, [change.step]: new Date(now).toISOString() };
    try {
      this.#generation = await this.#objects.writeJson(
        next.buckets.data,
        objectsOf(next.id).state,
        next,
        this.#generation,
      );
    } catch (error) {
      if (error instanceof Conflict) throw new Overtaken(`the build ${next.id} is driven by another launcher now`);
      throw error;
    }
    this.#state = next;
    return next;
  }
}
