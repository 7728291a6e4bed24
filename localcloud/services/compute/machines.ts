import type { RequestListener } from "node:http";
import type { Socket } from "node:net";
import type { Cloud } from "../../core/cloud.ts";
import { GoogleError } from "../../core/errors.ts";
import { OperationError } from "../../core/operations.ts";
import type { Collection } from "../../core/state.ts";
import type { Guest, GuestDriver, GuestSpec } from "../../guests/guest.ts";
import type { MetadataServerOptions } from "../../metadata/server.ts";
import type { MetadataTree } from "../../metadata/tree.ts";
import { forgetTunnel } from "../iap/index.ts";
import { dataDisk, diskAt, diskContent, removeDisk } from "./content.ts";
import { restartsAfterCrash } from "./crashes.ts";
import { guestSpec } from "./guestSpec.ts";
import { lastPart, pathOf, split } from "./links.ts";
import type { MachineRecord } from "./machineRecord.ts";
import { metadataTree, projectAttributes } from "./metadataTree.ts";
import { inUse } from "./networks.ts";
import { CUT_MS, deadline, emptyGuest, guestAttributesEnabled, pause, shutdownMs, TICK_MS } from "./power.ts";
import { Listeners, Queues } from "./queues.ts";
import { type SerialLog, SerialLogs } from "./serial.ts";
import type { AttachedDisk, Disk, Instance } from "./types.ts";

export interface MachinesOptions {
  cloud: Cloud;
  /** Boots the guests; `undefined`: machines are records that run nothing. */
  driver: GuestDriver | undefined;
  /** Makes one machine's metadata server (`createMetadataServer`). */
  metadataFor: (options: MetadataServerOptions) => RequestListener;
  googleApis: RequestListener;
  certificate: GuestSpec["certificate"];
}

interface Session {
  guest: Guest;
  off: boolean;
}

/** Runs instances on guests: boot, stop, preemption, time limits, deletion. One thing at a time for each machine. */
export class Machines {
  readonly #options: MachinesOptions;
  readonly #cloud: Cloud;
  readonly #instances: Collection<Instance>;
  readonly #records: Collection<MachineRecord>;
  readonly #sessions = new Map<string, Session>();
  readonly #queues: Queues;
  readonly #listeners = new Listeners();
  readonly #serials: SerialLogs;
  #clock: NodeJS.Timeout | undefined;
  #closed = false;
  /** Waited for when the local cloud closes: operations write their end. */
  readonly closing: (() => Promise<void>)[] = [];
  /** Does what an instance schedule says, now; set by who has the schedules. Gives the machines' paths. */
  fireSchedule: (policy: string, what: "start" | "stop") => string[] = () => [];
  /** Writes the operation down that tells of a preemption; set by who has the operations. */
  onPreempted: (path: string, instance: Instance) => void = () => {};

  constructor(options: MachinesOptions) {
    this.#options = options;
    this.#cloud = options.cloud;
    this.#serials = new SerialLogs(options.cloud.state);
    this.#queues = new Queues((path, error) => this.#cloud.log(`${split(path).name}: ${String(error)}`));
    this.#instances = options.cloud.state.collection<Instance>("compute.instances");
    this.#records = options.cloud.state.collection<MachineRecord>("compute.machines");
    this.#restore();
  }

  /** Guests do not outlive the server: their machines are found switched off, as after a power failure. */
  #restore(): void {
    for (const [path, instance] of this.#instances.entries()) {
      const record = this.#record(path);
      if (record.deleting) this.#erase(path);
      else if (instance.status === "RUNNING" && !record.guest) this.#attach(path, instance, emptyGuest());
      else if (instance.status !== "TERMINATED") {
        this.#markOff(path, "The local cloud was stopped while the machine ran.");
        this.#cloud.log(`${instance.name}: was ${instance.status} when the local cloud stopped; it is TERMINATED now`);
      }
    }
  }

  #record(path: string): MachineRecord {
    return this.#records.get(path) ?? {};
  }

  /** Changes the record and tells the guest, if it shows in its metadata. */
  #note(path: string, change: Partial<MachineRecord>): void {
    this.#records.set(path, { ...this.#record(path), ...change });
    this.changed(path);
  }

  #update(path: string, change: Partial<Instance>): void {
    const instance = this.#instances.get(path);
    if (instance) this.#instances.set(path, { ...instance, ...change });
  }

  /** Boots a new machine, or a stopped one on the same disk. */
  start(path: string): Promise<void> {
    return this.#queues.run(path, async () => {
      if (this.#instances.get(path) && !this.#sessions.has(path) && !this.#record(path).deleting)
        await this.#boot(path);
    });
  }

  async #boot(path: string): Promise<void> {
    const instance = this.#instances.get(path);
    if (!instance) return;
    this.#update(path, { status: "STAGING" });
    this.#note(path, { preempted: false, maintenanceEvent: "NONE", guest: this.#options.driver !== undefined });
    let guest: Guest;
    try {
      guest = this.#options.driver
        ? await this.#options.driver.boot(guestSpec(this, this.#options, path))
        : emptyGuest();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#markOff(path, message);
      this.#cloud.log(`${instance.name}: did not boot: ${message}`);
      throw new OperationError("INTERNAL_ERROR", `The machine did not boot: ${message}`);
    }
    if (this.#closed) await guest.cut();
    const started = this.#cloud.now();
    const terminateAt = deadline(instance, started);
    const terminationTimestamp = terminateAt === undefined ? undefined : new Date(terminateAt).toISOString();
    this.#note(path, { terminateAt });
    this.#update(path, {
      status: "RUNNING",
      lastStartTimestamp: new Date(started).toISOString(),
      resourceStatus: { scheduling: terminationTimestamp ? { terminationTimestamp } : {} },
    });
    this.#attach(path, instance, guest);
    this.#cloud.log(`${instance.name}: RUNNING${terminationTimestamp ? ` until ${terminationTimestamp} at most` : ""}`);
  }

  /** What the machine's metadata server shows. */
  tree(path: string, instance = this.#instances.get(path)): MetadataTree {
    if (!instance) throw new GoogleError(404, "notFound", "The machine is gone.");
    const boot = instance.disks.find((disk) => disk.boot);
    const image = boot && diskAt(this.#cloud.state, boot.source)?.sourceImage;
    const { project: id } = split(path);
    const project = { id, attributes: projectAttributes(this.#cloud.state, id) };
    return metadataTree(instance, project, { ...this.#record(path), image: image && pathOf(image) });
  }

  onChange(path: string, listener: () => void): () => void {
    return this.#listeners.add(path, listener);
  }

  /** Wakes who waits for a change of the machine's metadata. */
  changed(path: string): void {
    this.#listeners.wake(path);
  }

  /** After a change of the project's metadata. */
  changedProject(project: string): void {
    for (const path of this.#sessions.keys()) if (path.startsWith(`projects/${project}/`)) this.changed(path);
  }

  #attach(path: string, instance: Instance, guest: Guest): void {
    const session: Session = { guest, off: false };
    this.#sessions.set(path, session);
    void guest.off.then(({ reason, message }) => {
      session.off = true;
      // Whoever switches the machine off waits in the queue's work and clears the session itself.
      this.#queues.later(path, async () => {
        if (this.#sessions.get(path) !== session) return;
        this.#sessions.delete(path);
        this.#markOff(path, reason === "crash" ? message : undefined);
        this.#cloud.log(`${instance.name}: TERMINATED (${reason}${message ? `: ${message}` : ""})`);
        if (reason === "crash" && !this.#closed) await this.#restart(path);
      });
    });
    this.#clock ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** A crash is no stop: `automaticRestart` boots the machine again, on the same disk. */
  async #restart(path: string): Promise<void> {
    const instance = this.#instances.get(path);
    const record = this.#record(path);
    if (!instance || record.deleting) return;
    const crashes = restartsAfterCrash(instance, record, this.#cloud.now());
    if (!crashes) return;
    this.#note(path, { crashes });
    this.#cloud.log(`${instance.name}: starts again by itself`);
    await this.#boot(path);
  }

  /** A stopped machine keeps its disk; its time limit is cleared, as Google's is. */
  #markOff(path: string, statusMessage?: string): void {
    this.#records.set(path, { ...this.#record(path), terminateAt: undefined });
    this.#update(path, {
      status: "TERMINATED",
      statusMessage,
      lastStopTimestamp: new Date(this.#cloud.now()).toISOString(),
      resourceStatus: { scheduling: {} },
    });
  }

  #tick(): void {
    if (this.#sessions.size === 0) {
      clearInterval(this.#clock);
      this.#clock = undefined;
    }
    for (const path of this.#sessions.keys()) {
      const { terminateAt } = this.#record(path);
      if (terminateAt === undefined || terminateAt > this.#cloud.now()) continue;
      this.#note(path, { terminateAt: undefined });
      const instance = this.#instances.get(path);
      this.#cloud.log(`${instance?.name}: its time limit is reached`);
      this.#queues.later(path, () => this.#end(path, instance?.scheduling.instanceTerminationAction));
    }
  }

  /** Power button, then the power cut, then the termination action. */
  async #end(path: string, action: "STOP" | "DELETE" = "STOP", graceMs?: number): Promise<void> {
    await this.#shutDown(path, graceMs);
    if (action === "DELETE") this.#erase(path);
  }

  async #shutDown(path: string, graceMs = shutdownMs(this.#instances.get(path))): Promise<void> {
    const session = this.#sessions.get(path);
    if (!session) return;
    this.#update(path, { status: "STOPPING" });
    const { guest } = session;
    const report = (error: unknown) => this.#cloud.log(`${split(path).name}: ${String(error)}`);
    await Promise.race([guest.powerButton().catch(report), pause(TICK_MS * 5)]);
    const cutAt = this.#cloud.now() + graceMs;
    while (!session.off && this.#cloud.now() < cutAt) await Promise.race([guest.off, pause(TICK_MS)]);
    await this.#cut(path, session);
  }

  async #cut(path: string, session: Session): Promise<void> {
    if (!session.off) {
      this.#cloud.log(`${split(path).name}: the power is cut`);
      await session.guest.cut();
      await Promise.race([session.guest.off, pause(CUT_MS)]);
    }
    this.#sessions.delete(path);
    this.#markOff(path);
  }

  stop(path: string): Promise<void> {
    return this.#queues.run(path, () => this.#shutDown(path));
  }

  /** The reset button: no shutdown, the same disk. */
  reset(path: string): Promise<void> {
    return this.#queues.run(path, async () => {
      const session = this.#sessions.get(path);
      if (!session) return;
      await this.#cut(path, session);
      await this.#boot(path);
    });
  }

  /** Work on what a machine that is off holds; it cannot start meanwhile. */
  whileOff<T>(path: string, work: () => Promise<T>): Promise<T> {
    return this.#queues.run(path, async () => {
      if (this.#sessions.has(path)) throw inUse("instance", path, "its guest");
      return work();
    });
  }

  /** What puts a disk's content into an image's folder; `undefined` where nothing ever runs. */
  saveDisk(disk: Disk): ((folder: string) => Promise<void>) | undefined {
    const { driver } = this.#options;
    return driver && ((folder) => driver.saveDisk(diskContent(this.#cloud.state, disk), folder));
  }

  /** Plugs a disk into a machine that runs; one that is off finds it when it boots. `accepted` changes the record. */
  plug(path: string, disk: AttachedDisk, accepted: () => void): Promise<void> {
    return this.#queues.run(path, async () => {
      const session = this.#sessions.get(path);
      try {
        if (session && !session.off) await session.guest.attach(dataDisk(this.#cloud.state, disk));
      } catch (error) {
        throw new OperationError("UNSUPPORTED_OPERATION", `The disk cannot be attached: ${(error as Error).message}.`);
      }
      accepted();
      this.changed(path);
    });
  }

  unplug(path: string, deviceName: string, accepted: () => void): Promise<void> {
    return this.#queues.run(path, async () => {
      const session = this.#sessions.get(path);
      if (session && !session.off) await session.guest.detach(deviceName);
      accepted();
      this.changed(path);
    });
  }

  /** A connection to a port of the machine's network address; rejects if the machine is off or nothing listens. */
  async connect(path: string, port: number): Promise<Socket> {
    const session = this.#sessions.get(path);
    if (!session || session.off) throw new Error("the machine is not running");
    return session.guest.connect(port);
  }

  /** The deletion is accepted: nothing boots the machine again, whatever happens to the server. */
  condemn(path: string): void {
    this.#note(path, { deleting: true });
    if (this.#sessions.has(path)) this.#update(path, { status: "STOPPING" });
  }

  /** Switches the machine off and removes it with its own disks. */
  remove(path: string): Promise<void> {
    return this.#queues.run(path, async () => {
      if (this.#record(path).deleting) await this.#end(path, "DELETE");
    });
  }

  #erase(path: string): void {
    const instance = this.#instances.get(path);
    this.#instances.delete(path);
    this.#records.delete(path);
    this.#listeners.delete(path);
    if (!instance) return;
    this.#serials.forget(instance.id);
    const { project, place } = split(path);
    forgetTunnel(this.#cloud, project, lastPart(place), instance.name);
    const disks = this.#cloud.state.collection<Disk>("compute.disks");
    for (const { source, autoDelete } of instance.disks) {
      const disk = disks.get(pathOf(source));
      if (!disk) continue;
      if (autoDelete) removeDisk(this.#cloud.state, pathOf(source));
      else {
        const users = (disk.users ?? []).filter((user) => user !== instance.selfLink);
        disks.set(pathOf(source), { ...disk, users, lastDetachTimestamp: new Date(this.#cloud.now()).toISOString() });
      }
    }
    this.#cloud.log(`${instance.name}: deleted`);
  }

  /** Spot: the guest is told, gets the power button and loses its power when the notice is over (Google promises none). */
  preempt(path: string, noticeMs?: number): Promise<void> {
    const instance = this.#instances.get(path);
    if (!instance || !this.#sessions.has(path)) return Promise.resolve();
    this.#cloud.log(`${instance.name}: preempted`);
    this.#note(path, { preempted: true, maintenanceEvent: "TERMINATE_ON_HOST_MAINTENANCE" });
    this.onPreempted(path, instance);
    return this.#queues.run(path, () => this.#end(path, instance.scheduling.instanceTerminationAction, noticeMs));
  }

  /** Host maintenance of a machine that is no Spot machine. */
  maintain(path: string): Promise<void> {
    return this.#queues.run(path, async () => {
      const instance = this.#instances.get(path);
      if (!instance || !this.#sessions.has(path)) return;
      const { onHostMaintenance, automaticRestart } = instance.scheduling;
      this.#note(path, { maintenanceEvent: `${onHostMaintenance}_ON_HOST_MAINTENANCE` });
      if (onHostMaintenance === "TERMINATE") {
        await this.#shutDown(path);
        if (automaticRestart) await this.#boot(path);
      } else await pause(TICK_MS * 5);
      if (this.#instances.has(path)) this.#note(path, { maintenanceEvent: "NONE" });
    });
  }

  /** Whether the machine runs, or is on its way up or down. */
  isOn(path: string): boolean {
    return this.#sessions.has(path) || this.#queues.has(path);
  }

  serial(path: string): SerialLog {
    const instance = this.#instances.get(path);
    if (!instance) throw new GoogleError(404, "notFound", `The resource '${path}' was not found`);
    return this.#serials.of(instance.name, instance.id);
  }

  setGuestAttributes(path: string, guestAttributes: Record<string, Record<string, string>>): void {
    this.#note(path, { guestAttributes });
  }

  guestAttributes(path: string): Record<string, Record<string, string>> {
    return this.#record(path).guestAttributes ?? {};
  }

  guestAttributesOn(path: string): boolean {
    const instance = this.#instances.get(path);
    return (
      instance !== undefined &&
      guestAttributesEnabled(instance, projectAttributes(this.#cloud.state, split(path).project))
    );
  }

  /** Switches every guest off at once; its machine is TERMINATED when the local cloud runs again. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#clock);
    const guests = [...this.#sessions].filter(([path]) => this.#record(path).guest);
    await Promise.all(guests.map(([, { guest }]) => guest.cut()));
    await Promise.all(guests.map(([, { guest }]) => Promise.race([guest.off, pause(CUT_MS)])));
    await this.#queues.settled();
    for (const wait of this.closing) await wait();
  }
}
