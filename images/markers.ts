import { createHash, createHmac, timingSafeEqual } from "node:crypto";
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
    const { payload = "", proof = "" } = JSON.parse(found.data.toString("utf8")) as {
      payload?: string;
      proof?: string;
    };
    // An earlier test's, or one that another machine wrote: nothing that this machine has said.
    const right = createHmac("sha256", nonce).update(payload).digest();
    const given = Buffer.from(proof, "hex");
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    const marker = JSON.parse(payload) as Marker;
    return marker.build === build && marker.role === role ? marker : undefined;
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

  constructor(objects: Objects, scratch: string, build: string, role: MachineRole, nonce: string) {
    this.#objects = objects;
    this.#bucket = scratch;
    // Each machine's own, because a test can be repeated.
    const mark = createHash("sha256").update(nonce).digest("hex").slice(0, 8);
    this.#prefix = `${objectsOf(build).segments}${role}-${mark}-`;
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
