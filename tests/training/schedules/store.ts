import { Unreachable } from "../../../training/errors.ts";
import { Conflict, type Objects } from "../../../training/storage.ts";
import type { Actor, World } from "./world.ts";

/** Objects with generations, shared by all actors. */
export class Store {
  readonly #world: World;
  readonly #objects = new Map<string, { text: string; generation: number }>();
  #generation = 0;
  /** Told of every write. */
  onWrite: (name: string, text: string) => void = () => undefined;

  constructor(world: World) {
    this.#world = world;
  }

  put(name: string, value: unknown): void {
    this.#generation += 1;
    const text = JSON.stringify(value);
    this.#objects.set(name, { text, generation: this.#generation });
    this.onWrite(name, text);
  }

  get<T>(name: string): T | undefined {
    const found = this.#objects.get(name);
    return found && (JSON.parse(found.text) as T);
  }

  /** The part of `Objects` that launchers use, as this actor sees it. `away`: how often the network is. */
  as(actor: Actor, away = 0): Objects {
    const world = this.#world;
    const objects = this.#objects;
    const network = async () => {
      await world.step(actor);
      if (world.chance(away)) throw new Unreachable("the bucket cannot be reached");
    };
    const part = {
      readJson: async <T>(_bucket: string, name: string) => {
        await network();
        const found = objects.get(name);
        return found && { value: JSON.parse(found.text) as T, generation: String(found.generation) };
      },
      writeJson: async (_bucket: string, name: string, value: unknown, ifGeneration?: string | number) => {
        await network();
        const there = objects.get(name)?.generation ?? 0;
        if (ifGeneration !== undefined && String(there) !== String(ifGeneration)) throw new Conflict(name);
        this.put(name, value);
        const generation = String(this.#generation);
        // It may die with the answer on its way.
        await world.step(actor);
        return generation;
      },
      write: async () => {
        await network();
        return "1";
      },
      info: async () => {
        await network();
        return undefined;
      },
      list: async () => {
        await network();
        const ids = new Set([...objects.keys()].map((name) => /^runs\/[^/]+\//.exec(name)?.[0]).filter((id) => id));
        return { objects: [], prefixes: [...ids] };
      },
    };
    return part as unknown as Objects;
  }
}
