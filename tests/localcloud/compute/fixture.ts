import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Guest, GuestDriver, GuestSpec } from "../../../localcloud/guests/guest.ts";
import { type LocalCloud, startLocalCloud } from "../../../localcloud/server.ts";

type Json = Record<string, unknown>;

/** What a guest of the tests does when the power button is pressed. */
export type Manner = "obeys" | "ignores";

export interface FakeGuest {
  spec: GuestSpec;
  /** `boot`, `button`, `cut`, in order. */
  events: string[];
  powerOff(): void;
  crash(): void;
  /** Calls the metadata server as the guest would. */
  metadata(path: string): Promise<string>;
}

/** Boots nothing; records what is asked of it. */
export function fakeDriver(manner: Manner = "obeys") {
  const guests: FakeGuest[] = [];
  const state = {
    failure: undefined as string | undefined,
    manner,
    /** What answers on the guests' ports. */
    connect: (port: number): Promise<Socket> => Promise.reject(new Error(`nothing listens on ${port}`)),
  };
  const driver: GuestDriver = {
    level: "process",
    unavailable: async () => undefined,
    prepare: async () => {},
    boot: async (spec) => {
      if (state.failure) throw new Error(state.failure);
      const { guest, fake } = makeGuest(spec, state);
      guests.push(fake);
      return guest;
    },
    saveDisk: async ({ diskFolder }, to) => cpSync(diskFolder, to, { recursive: true }),
  };
  return { driver, guests, state };
}

function makeGuest(
  spec: GuestSpec,
  state: { manner: Manner; connect: Guest["connect"] },
): { guest: Guest; fake: FakeGuest } {
  const events = ["boot"];
  let resolve: (how: Awaited<Guest["off"]>) => void = () => {};
  const off: Guest["off"] = new Promise((settle) => {
    resolve = settle;
  });
  spec.serial(`${spec.name} boots`);
  const guest: Guest = {
    off,
    powerButton: async () => {
      events.push("button");
      if (state.manner === "obeys") resolve({ reason: "poweroff", message: "" });
    },
    cut: async () => {
      events.push("cut");
      resolve({ reason: "cut", message: "" });
    },
    attach: async ({ name }) => {
      events.push(`attach ${name}`);
    },
    detach: async (name) => {
      events.push(`detach ${name}`);
    },
    connect: (port) => state.connect(port),
  };
  const fake: FakeGuest = {
    spec,
    events,
    powerOff: () => resolve({ reason: "poweroff", message: "" }),
    crash: () => resolve({ reason: "crash", message: "kernel panic" }),
    metadata: (path) => askMetadata(spec, path),
  };
  return { guest, fake };
}

async function askMetadata(spec: GuestSpec, path: string): Promise<string> {
  const { createServer } = await import("node:http");
  const server = createServer(spec.metadata);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    const headers = { "metadata-flavor": "Google" };
    const answer = await fetch(`http://127.0.0.1:${port}/computeMetadata/v1/${path}`, { headers });
    return await answer.text();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

export interface Answer {
  status: number;
  body: Json;
}

/** A local cloud with a caller for Compute Engine's REST. */
export class ComputeFixture {
  readonly local: LocalCloud;
  readonly project: string;
  token: string | undefined;

  constructor(local: LocalCloud) {
    this.local = local;
    this.project = local.project;
  }

  get root(): string {
    return `/compute/v1/projects/${this.project}`;
  }

  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const url = `${this.local.operatorUrl}${path.startsWith("/") ? path : `${this.root}/${path}`}`;
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? {} : (JSON.parse(text) as Json) };
  }

  /** The answer of a call that must be accepted. */
  async ok(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await this.call(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** The finished operation of a call that starts one; it must have no error. */
  async done(method: string, path: string, body?: unknown): Promise<Json> {
    const operation = await this.finished(method, path, body);
    assert.equal(operation.error, undefined, JSON.stringify(operation.error));
    return operation;
  }

  async finished(method: string, path: string, body?: unknown): Promise<Json> {
    const started = await this.ok(method, path, body);
    assert.equal(started.kind, "compute#operation");
    const link = new URL(String(started.selfLink));
    const operation = await this.ok("POST", `${link.pathname}/wait`);
    assert.equal(operation.status, "DONE");
    return operation;
  }

  /** A call that must be refused; gives Google's sentence. */
  async refused(code: number, reason: string, method: string, path: string, body?: unknown): Promise<string> {
    const { status, body: answer } = await this.call(method, path, body);
    const error = answer.error as { message: string; errors: { reason: string }[] } | undefined;
    assert.equal(`${status} ${error?.errors[0]?.reason}`, `${code} ${reason}`, JSON.stringify(answer));
    return error?.message ?? "";
  }

  async instance(name: string, zone = ZONE): Promise<Json | undefined> {
    const { status, body } = await this.call("GET", `zones/${zone}/instances/${name}`);
    return status === 200 ? body : undefined;
  }

  /** Waits until a machine has a status; `gone`: until it is no more. */
  async until(name: string, status: string): Promise<Json | undefined> {
    for (let turn = 0; turn < 400; turn += 1) {
      const found = await this.instance(name);
      if ((found?.status ?? "gone") === status) return found;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`${name} did not become ${status}: ${(await this.instance(name))?.status ?? "gone"}`);
  }

  /** Gives Compute Engine's own account a role on the project, and takes away what it had. */
  async letSchedule(role = "roles/compute.instanceAdmin.v1"): Promise<void> {
    const { projectNumber } = await this.ok("GET", `/crm/v1/projects/${this.project}`);
    const agent = `serviceAccount:service-${projectNumber}@compute-system.iam.gserviceaccount.com`;
    const policy = { bindings: role === "none" ? [] : [{ role, members: [agent] }] };
    await this.ok("POST", `/crm/v1/projects/${this.project}:setIamPolicy`, { policy });
  }

  /** A network `net` with the subnet `sub` in the test's region. */
  async network(): Promise<void> {
    await this.done("POST", "global/networks", { name: "net", autoCreateSubnetworks: false });
    await this.done("POST", `regions/${REGION}/subnetworks`, {
      name: "sub",
      network: `projects/${this.project}/global/networks/net`,
      ipCidrRange: "10.10.0.0/24",
    });
  }
}

export const REGION = "us-central1";
export const ZONE = "us-central1-a";
export const IMAGE = "projects/debian-cloud/global/images/family/debian-12";

/** The body of a small machine. */
export function machine(name: string, more: Json = {}): Json {
  return {
    name,
    machineType: `zones/${ZONE}/machineTypes/e2-medium`,
    disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: IMAGE } }],
    networkInterfaces: [{ subnetwork: `regions/${REGION}/subnetworks/sub` }],
    ...more,
  };
}

export interface Clock {
  now: number;
}

/** Starts a local cloud for one test and takes it down with it. */
export async function startCompute(
  t: TestContext,
  options: { driver?: GuestDriver; folder?: string; clock?: Clock; log?: (line: string) => void } = {},
): Promise<ComputeFixture> {
  const folder = options.folder ?? temporaryFolder(t);
  const { clock } = options;
  const local = await startLocalCloud({
    stateFolder: folder,
    driver: options.driver,
    enabledServices: "all",
    project: "test-project",
    log: options.log,
    ...(clock ? { now: () => clock.now } : {}),
  });
  const close = local.close.bind(local);
  let closed: Promise<void> | undefined;
  local.close = () => {
    closed ??= close();
    return closed;
  };
  running.set(t, [...(running.get(t) ?? []), local]);
  return new ComputeFixture(local);
}

const running = new WeakMap<TestContext, LocalCloud[]>();

/** A folder that goes with the test, after the local clouds that use it. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "localcloud-compute-"));
  t.after(async () => {
    for (const local of running.get(t) ?? []) await local.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
