import { randomUUID } from "node:crypto";
import type { Fault } from "../../core/faults.ts";
import type { Collection, State } from "../../core/state.ts";

/** A long-running operation in GKE's words: its failure is `statusMessage`, and there is no `targetId`. */
export interface GkeOperation {
  name: string;
  operationType: string;
  status: "PENDING" | "RUNNING" | "DONE";
  statusMessage?: string;
  error?: { code: number; message: string };
  selfLink: string;
  targetLink: string;
  startTime: string;
  endTime?: string;
  zone?: string;
  location: string;
}

const SHORTEST_MS = 50;
/** As the link of an answer names the API. */
export const ROOT = "https://container.googleapis.com/v1beta1/";

export interface Work {
  project: string;
  location: string;
  type: string;
  /** `projects/P/locations/L/clusters/C…` */
  target: string;
  fault?: Fault;
  run: () => void;
  /** What is left of the target when the work failed. */
  failed: (message: string) => void;
}

export class GkeOperations {
  readonly records: Collection<GkeOperation>;
  readonly #now: () => number;
  readonly #running = new Set<Promise<void>>();

  constructor(state: State, now: () => number) {
    this.#now = now;
    this.records = state.collection<GkeOperation>("container.operations");
    for (const [key, operation] of this.records.entries()) {
      if (operation.status !== "DONE") this.#finish(key, "The local cloud was stopped during this operation.");
    }
  }

  start(work: Work): GkeOperation {
    const name = `operation-${this.#now()}-${randomUUID()}`;
    const key = `projects/${work.project}/locations/${work.location}/operations/${name}`;
    const operation: GkeOperation = {
      name,
      operationType: work.type,
      status: "RUNNING",
      selfLink: ROOT + key,
      targetLink: ROOT + work.target,
      startTime: new Date(this.#now()).toISOString(),
      location: work.location,
      ...(/-[a-z]$/.test(work.location) ? { zone: work.location } : {}),
    };
    this.records.set(key, operation);
    const done = this.#run(key, work).finally(() => this.#running.delete(done));
    this.#running.add(done);
    return operation;
  }

  /** The operation that works on a cluster, if there is one. */
  on(cluster: string): GkeOperation | undefined {
    const link = ROOT + cluster;
    return this.records
      .values()
      .find(
        ({ status, targetLink }) => status !== "DONE" && (targetLink === link || targetLink.startsWith(`${link}/`)),
      );
  }

  async #run(key: string, { fault, run, failed }: Work): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, SHORTEST_MS));
    if (fault?.operationHangs) return;
    let problem: string | undefined;
    if (fault?.operationError) problem = fault.operationError.message;
    else {
      try {
        run();
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
    }
    if (problem !== undefined) failed(problem);
    this.#finish(key, problem);
  }

  #finish(key: string, problem?: string): void {
    const operation = this.records.get(key);
    if (!operation) return;
    const failure = problem === undefined ? {} : { statusMessage: problem, error: { code: 13, message: problem } };
    this.records.set(key, { ...operation, status: "DONE", endTime: new Date(this.#now()).toISOString(), ...failure });
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
