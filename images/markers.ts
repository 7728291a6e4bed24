import type { Objects } from "../training/storage.ts";
import { type MachineRole, objectsOf } from "./ids.ts";
import type { Marker } from "./state.ts";

/** What the machine of a role has said at its end; `undefined` as long as it has not. */
export async function readMarker(
  objects: Objects,
  bucket: string,
  build: string,
  role: MachineRole,
  nonce: string,
): Promise<Marker | undefined> {
  const names = objectsOf(build);
  const found = await objects.read(bucket, role === "build" ? names.marker : names.test);
  if (!found) return undefined;
  try {
    const marker = JSON.parse(found.data.toString("utf8")) as Marker;
    // An earlier test's, or one that another machine wrote: nothing that this machine has said.
    if (marker.nonce !== nonce || marker.build !== build || marker.role !== role) return undefined;
    return marker;
  } catch {
    return undefined;
  }
}

/** Hands on the log as it grows; each call reads what is new. */
export class LogReader {
  readonly #objects: Objects;
  readonly #bucket: string;
  readonly #prefix: string;
  #next = 1;

  constructor(objects: Objects, scratch: string, build: string, role: MachineRole) {
    this.#objects = objects;
    this.#bucket = scratch;
    this.#prefix = `${objectsOf(build).segments}${role}-`;
  }

  async read(onLog: (text: string) => void): Promise<void> {
    for (;;) {
      const name = `${this.#prefix}${String(this.#next).padStart(6, "0")}.txt`;
      const found = await this.#objects.read(this.#bucket, name);
      if (!found) return;
      this.#next += 1;
      onLog(found.data.toString("utf8"));
    }
  }
}
