// A Compute Engine that answers what a test tells it to, over HTTP: the official client is in the loop.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Insert {
  zone: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

/** What a call to `insert` leads to. */
export type Answer =
  | { made: true }
  | { http: number; reason?: string; message?: string }
  /** `leaves`: the state of what is left behind. */
  | { operation: string; message?: string; leaves?: string; details?: unknown }
  /** The operation never ends; the machine is in this state (absent: not there). */
  | { hangs: string | undefined }
  /** The machine is made, but the answer is lost. */
  | { lost: true };

export const TEMPLATE = {
  machineType: "e2-standard-2",
  labels: { "mlt-environment": "mlt-test", owner: "kim" },
  metadata: {
    fingerprint: "abc",
    items: [
      { key: "startup-script", value: "#!/bin/bash\n" },
      { key: "enable-oslogin", value: "TRUE" },
    ],
  },
  scheduling: {
    provisioningModel: "SPOT",
    preemptible: true,
    automaticRestart: false,
    onHostMaintenance: "TERMINATE",
    instanceTerminationAction: "DELETE",
    maxRunDuration: { seconds: "86400" },
  },
};

export class FakeCompute {
  readonly inserts: Insert[] = [];
  readonly deleted: string[] = [];
  readonly machines = new Map<string, { status: string; labels: Record<string, string> }>();
  /** Answers in order; afterwards every call makes its machine. */
  readonly answers: Answer[] = [];
  /** Consoles of machines, by zone and name. */
  readonly consoles = new Map<string, string>();
  /** Machines that Google took back: `zone/name`. */
  readonly takenBack = new Set<string>();
  /** The template's disks; absent: it has none, which no real one has. */
  disks: unknown[] | undefined;
  /** How often a family was asked for its newest image. */
  families = 0;
  readonly #operations = new Map<string, unknown>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/compute/v1/`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, "http://fake");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const reply = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const path = url.pathname.replace("/compute/v1/projects/local-project/", "");
    if (path.startsWith("global/instanceTemplates/")) {
      return reply(200, { properties: { ...TEMPLATE, ...(this.disks ? { disks: this.disks } : {}) } });
    }
    if (url.pathname.includes("/global/images/family/")) {
      this.families += 1;
      return reply(200, { name: `${url.pathname.split("/").at(-1)}-v1` });
    }
    if (path === "aggregated/instances") return reply(200, { items: this.#machinesOf(url.searchParams.get("filter")) });
    const parts = /^zones\/([^/]+)\/(instances|operations)(?:\/(.+))?$/.exec(path);
    if (!parts) return reply(404, error(404, "notFound", `no ${path}`));
    const [, zone, kind, name] = parts as unknown as [string, string, string, string | undefined];
    if (kind === "operations" && name === undefined) return reply(200, { items: this.#preempted(zone) });
    if (kind === "operations") return reply(200, this.#operations.get(name!.replace("/wait", "")));
    if (name?.endsWith("/serialPort")) {
      const text = this.consoles.get(`${zone}/${name.replace("/serialPort", "")}`);
      return text === undefined ? reply(404, error(404, "notFound", "no machine")) : reply(200, { contents: text });
    }
    if (request.method === "POST") {
      const body = JSON.parse(text) as Insert["body"];
      this.inserts.push({ zone, query: url.searchParams, body });
      return this.#insert(zone, body, reply, response);
    }
    const machine = this.machines.get(`${zone}/${name}`);
    if (request.method === "DELETE") this.deleted.push(`${zone}/${name}`);
    if (!machine) return reply(404, error(404, "notFound", `The resource '${name}' was not found`));
    if (request.method === "DELETE") this.machines.delete(`${zone}/${name}`);
    return reply(200, request.method === "DELETE" ? { name: "gone", status: "DONE" } : machine);
  }

  #machinesOf(filter: string | null): Record<string, { instances: unknown[] }> {
    const run = /labels\.mlt-run = "([^"]+)"/.exec(filter ?? "")?.[1];
    const items: Record<string, { instances: unknown[] }> = {};
    for (const [key, { status, labels }] of this.machines) {
      if (labels["mlt-run"] !== run) continue;
      const [zone, name] = key.split("/");
      items[`zones/${zone}`] ??= { instances: [] };
      items[`zones/${zone}`]!.instances.push({ name, zone: `https://x/zones/${zone}`, status });
    }
    return items;
  }

  #preempted(zone: string) {
    return [...this.takenBack]
      .filter((key) => key.startsWith(`${zone}/`))
      .map((key) => ({
        operationType: "compute.instances.preempted",
        targetLink: `https://x/zones/${zone}/instances/${key.split("/")[1]}`,
      }));
  }

  #insert(
    zone: string,
    body: Insert["body"],
    reply: (status: number, body: unknown) => void,
    response: ServerResponse,
  ) {
    const answer = this.answers.shift() ?? { made: true };
    const id = `operation-${this.inserts.length}`;
    const key = `${zone}/${body.name}`;
    const labels = body.labels as Record<string, string>;
    if ("http" in answer) return reply(answer.http, error(answer.http, answer.reason ?? "", answer.message ?? "no"));
    if ("made" in answer || "lost" in answer) {
      if (this.machines.has(key)) return reply(409, error(409, "alreadyExists", "The resource already exists"));
      this.machines.set(key, { status: "RUNNING", labels });
      this.#operations.set(id, { name: id, status: "DONE" });
      if ("lost" in answer) {
        response.destroy();
        return;
      }
    } else if ("hangs" in answer) {
      if (answer.hangs) this.machines.set(key, { status: answer.hangs, labels });
      this.#operations.set(id, { name: id, status: "RUNNING" });
    } else {
      if (answer.leaves) this.machines.set(key, { status: answer.leaves, labels });
      const errors = [
        {
          code: answer.operation,
          message: answer.message ?? `${answer.operation} in ${zone}`,
          ...(answer.details ? { errorDetails: answer.details } : {}),
        },
      ];
      this.#operations.set(id, { name: id, status: "DONE", error: { errors } });
    }
    return reply(200, { name: id, status: "PENDING" });
  }
}

function error(code: number, reason: string, message: string) {
  return { error: { code, message, errors: [{ message, domain: "global", reason }] } };
}
