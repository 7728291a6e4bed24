import type { compute_v1 } from "@googleapis/compute/build/v1.js";
import { computeClient, type Instance, type Operation } from "../training/compute.ts";
import { operationRefusal, type Refusal, refusalOf } from "../training/engines/refusals.ts";
import { explained, isTransient, messageOf, statusOf, UserError } from "../training/errors.ts";
import { type Limits, pause } from "./limits.ts";

export type Image = compute_v1.Schema$Image;
export type Disk = compute_v1.Schema$Disk;
export type { Instance };

type RefusedKind = Refusal["kind"] | "late" | "missing";

/** Google ended an operation with an error, or did not end it. */
export class Refused extends Error {
  override name = "Refused";
  readonly kind: RefusedKind;

  constructor(kind: RefusedKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A thing in a zone. */
export interface Placed<T> {
  zone: string;
  thing: T;
}

/**
 * The calls of Compute Engine that building images needs. What changes something returns when Google's operation has
 * ended, and throws `Refused` if that was with an error. Calls that Google could not serve are sent again for a while.
 */
export interface ImageCloud {
  image(project: string, name: string): Promise<Image | undefined>;
  /** The image that the family names now. */
  fromFamily(project: string, family: string): Promise<Image | undefined>;
  images(project: string, filter: string): Promise<Image[]>;
  /** Nothing happens if an image of this name is there. */
  makeImage(project: string, image: Image): Promise<void>;
  /** Google lets family, description and deprecation be changed, nothing else. */
  changeImage(project: string, name: string, change: Pick<Image, "family" | "description">): Promise<void>;
  deprecate(project: string, name: string, status: compute_v1.Schema$DeprecationStatus): Promise<void>;
  labelImage(project: string, name: string, labels: Record<string, string>): Promise<void>;
  removeImage(project: string, name: string): Promise<void>;

  machine(project: string, zone: string, name: string): Promise<Instance | undefined>;
  machines(project: string, filter: string): Promise<Placed<Instance>[]>;
  /** Nothing happens if a machine of this name is there. */
  makeMachine(project: string, zone: string, machine: Instance): Promise<void>;
  stopMachine(project: string, zone: string, name: string): Promise<void>;
  /** Nothing happens if there is none. */
  removeMachine(project: string, zone: string, name: string): Promise<void>;

  disks(project: string, filter: string): Promise<Placed<Disk>[]>;
  removeDisk(project: string, zone: string, name: string): Promise<void>;
}

/** Google's own, by its official client. */
export function googleImages(limits: Limits): ImageCloud {
  const api = computeClient();
  // Who cannot be reached from the start is told so at once; a network that goes away in between may come back.
  let reached = false;

  /** A call that is sent again while Google is busy or out of reach. */
  async function call<T>(doing: string, send: (client: compute_v1.Compute) => Promise<{ data: T }>): Promise<T> {
    const started = limits.now();
    for (let round = 0; ; round += 1) {
      try {
        const { data } = await send(await api());
        reached = true;
        return data;
      } catch (error) {
        const wait = Math.min(limits.pollMs * 2 ** round, 10_000);
        reached ||= statusOf(error) !== undefined;
        if (reached && isTransient(error) && limits.now() - started + wait < limits.transientMs) {
          await pause(limits, wait);
          continue;
        }
        throw statusOf(error) === 404 || statusOf(error) === 409 ? error : explained(error, doing);
      }
    }
  }

  async function found<T>(doing: string, send: (client: compute_v1.Compute) => Promise<{ data: T }>) {
    try {
      return await call(doing, send);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Sends a change and waits for its operation. `late`: how long it may take. */
  async function change(
    doing: string,
    project: string,
    zone: string | undefined,
    send: (client: compute_v1.Compute) => Promise<{ data: Operation }>,
    late = limits.operationMs,
  ): Promise<void> {
    let operation: Operation;
    try {
      operation = await call(doing, send);
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (statusOf(error) === 404) throw new Refused("missing", `${doing}: ${messageOf(error)}`);
      const refusal = refusalOf(error);
      throw new Refused(refusal.kind, `${doing}: ${refusal.message}`);
    }
    const started = limits.now();
    const name = String(operation.name);
    while (operation.status !== "DONE") {
      if (limits.now() - started > late) {
        throw new Refused("late", `${doing}: Google had not done it after ${seconds(late)}`);
      }
      await pause(limits, limits.pollMs);
      operation = await call(doing, async (client) =>
        zone
          ? client.zoneOperations.get({ project, zone, operation: name })
          : client.globalOperations.get({ project, operation: name }),
      );
    }
    const errors = operation.error?.errors ?? [];
    if (errors.length === 0) return;
    const refusal = operationRefusal(errors);
    throw new Refused(refusal.kind, `${doing}: ${refusal.message}`);
  }

  const gone = async (removing: Promise<void>): Promise<void> => {
    try {
      await removing;
    } catch (error) {
      if (!(error instanceof Refused && error.kind === "missing")) throw error;
    }
  };
  const there = async (making: Promise<void>): Promise<void> => {
    try {
      await making;
    } catch (error) {
      if (!(error instanceof Refused && error.kind === "exists")) throw error;
    }
  };

  async function pages<T>(read: (pageToken?: string) => Promise<{ items: T[]; next?: string | null }>): Promise<T[]> {
    const all: T[] = [];
    let token: string | undefined;
    do {
      const { items, next } = await read(token);
      all.push(...items);
      token = next ?? undefined;
    } while (token);
    return all;
  }

  return {
    image: (project, image) => found(`Reading the image ${image}`, (client) => client.images.get({ project, image })),
    fromFamily: (project, family) =>
      found(`Reading the image family ${family}`, (client) => client.images.getFromFamily({ project, family })),
    images: (project, filter) =>
      pages(async (pageToken) => {
        const data = await call("Listing images", (client) => client.images.list({ project, filter, pageToken }));
        return { items: data.items ?? [], next: data.nextPageToken };
      }),
    makeImage: (project, image) =>
      there(
        change(
          `Making the image ${image.name}`,
          project,
          undefined,
          (client) => client.images.insert({ project, requestBody: image }),
          limits.imageMs,
        ),
      ),
    changeImage: (project, image, requestBody) =>
      change(`Changing the image ${image}`, project, undefined, (client) =>
        client.images.patch({ project, image, requestBody }),
      ),
    deprecate: (project, image, requestBody) =>
      change(`Marking the image ${image} as ${requestBody.state}`, project, undefined, (client) =>
        client.images.deprecate({ project, image, requestBody }),
      ),
    async labelImage(project, image, labels) {
      const now = await call(`Reading the image ${image}`, (client) => client.images.get({ project, image }));
      const requestBody = { labels: { ...now.labels, ...labels }, labelFingerprint: now.labelFingerprint };
      await change(`Labelling the image ${image}`, project, undefined, (client) =>
        client.images.setLabels({ project, resource: image, requestBody }),
      );
    },
    removeImage: (project, image) =>
      gone(
        change(`Removing the image ${image}`, project, undefined, (client) => client.images.delete({ project, image })),
      ),
    machine: (project, zone, instance) =>
      found(`Reading the machine ${instance}`, (client) => client.instances.get({ project, zone, instance })),
    machines: (project, filter) =>
      pages(async (pageToken) => {
        const request = { project, filter, pageToken, returnPartialSuccess: true };
        const data = await call("Listing machines", (client) => client.instances.aggregatedList(request));
        const items = Object.entries(data.items ?? {}).flatMap(([place, { instances = [] }]) =>
          instances.map((thing) => ({ zone: place.replace("zones/", ""), thing })),
        );
        return { items, next: data.nextPageToken };
      }),
    makeMachine: (project, zone, machine) =>
      there(
        change(`Making the machine ${machine.name}`, project, zone, (client) =>
          client.instances.insert({ project, zone, requestBody: machine }),
        ),
      ),
    stopMachine: (project, zone, instance) =>
      change(
        `Stopping the machine ${instance}`,
        project,
        zone,
        (client) => client.instances.stop({ project, zone, instance }),
        limits.stopMs,
      ),
    removeMachine: (project, zone, instance) =>
      gone(
        change(`Deleting the machine ${instance}`, project, zone, (client) =>
          client.instances.delete({ project, zone, instance }),
        ),
      ),
    disks: (project, filter) =>
      pages(async (pageToken) => {
        const request = { project, filter, pageToken, returnPartialSuccess: true };
        const data = await call("Listing disks", (client) => client.disks.aggregatedList(request));
        const items = Object.entries(data.items ?? {}).flatMap(([place, { disks = [] }]) =>
          disks.map((thing) => ({ zone: place.replace("zones/", ""), thing })),
        );
        return { items, next: data.nextPageToken };
      }),
    removeDisk: (project, zone, disk) =>
      gone(
        change(`Deleting the disk ${disk}`, project, zone, (client) => client.disks.delete({ project, zone, disk })),
      ),
  };
}

/** An error in one line of the user's words. */
export function told(error: unknown): string {
  return messageOf(error);
}

function seconds(milliseconds: number): string {
  return milliseconds < 120_000 ? `${Math.round(milliseconds / 1000)} s` : `${Math.round(milliseconds / 60_000)} min`;
}
