import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Principal } from "../../core/access.ts";
import type { Cloud } from "../../core/cloud.ts";
import type { Machines } from "../compute/machines.ts";
import type { Instance } from "../compute/types.ts";
import { IAP_RANGE, letsIn } from "./firewall.ts";
import { tunnelResource } from "./index.ts";
import { ServerWebSocket } from "./websocket.ts";

/** Where tunnels begin; Google's is `wss://tunnel.cloudproxy.app/v4`. */
export const TUNNEL_PATH = "/tunnel/v4";

// The relay's protocol as Google's gcloud speaks it: a tag of two bytes, a length of four, the content.
const PROTOCOL = "relay.tunnel.cloudproxy.app";
const CONNECT_SUCCESS_SID = 1;
const DATA = 4;
const ACK = 7;
const LARGEST_DATA = 16_384;

/** Why a tunnel is closed, in the relay's codes and words as gcloud shows them; which when is from general knowledge. */
const REFUSALS = {
  backend: [4003, "failed to connect to backend"],
  denied: [4033, "not authorized"],
  missing: [4047, "Failed to lookup instance"],
} as const;

export interface TunnelOptions {
  cloud: Cloud;
  machines: Machines;
  /** Who calls, by the request's token; `undefined`: nobody who may. */
  caller: (request: IncomingMessage) => Principal | undefined;
}

/** Takes over requests for a WebSocket: tunnels into machines. */
export function tunnelListener(
  options: TunnelOptions,
): (request: IncomingMessage, stream: Duplex, head: Buffer) => void {
  return (request, stream, head) => {
    stream.on("error", () => stream.destroy());
    const url = new URL(request.url ?? "/", "http://localhost");
    const protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    const principal = options.caller(request);
    if (url.pathname === `${TUNNEL_PATH}/reconnect`) refuse(stream, "501 Not Implemented", "a tunnel that goes on");
    else if (url.pathname !== `${TUNNEL_PATH}/connect`) refuse(stream, "404 Not Found", url.pathname);
    else if (!principal) refuse(stream, "401 Unauthorized", "an access token is needed");
    else if (!protocols.includes(PROTOCOL)) refuse(stream, "400 Bad Request", `the protocol ${PROTOCOL} is needed`);
    else
      new Tunnel(
        options,
        principal,
        url.searchParams,
        (events) => new ServerWebSocket(request, stream, head, PROTOCOL, events),
      );
  };
}

function refuse(stream: Duplex, status: string, message: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n${message}\n`);
}

/** One connection through a tunnel. It cannot be taken up again when it breaks; gcloud asks for that and is refused. */
class Tunnel {
  readonly #web: ServerWebSocket;
  /** What came before the machine answered. */
  #early: Buffer[] = [];
  #socket: Socket | undefined;
  #received = 0;
  #acknowledged = 0;

  constructor(
    options: TunnelOptions,
    principal: Principal,
    query: URLSearchParams,
    accept: (events: ConstructorParameters<typeof ServerWebSocket>[4]) => ServerWebSocket,
  ) {
    this.#web = accept({
      message: (message) => this.#fromClient(message),
      closed: () => this.#socket?.destroy(),
    });
    this.#open(options, principal, query).catch((error: unknown) => {
      options.cloud.log(`tunnel: ${String(error)}`);
      this.#web.close(...REFUSALS.backend);
    });
  }

  async #open({ cloud, machines }: TunnelOptions, principal: Principal, query: URLSearchParams): Promise<void> {
    const [project, zone, wanted] = ["project", "zone", "instance"].map((name) => query.get(name) ?? "") as [
      string,
      string,
      string,
    ];
    const port = Number(query.get("port"));
    const close = (why: keyof typeof REFUSALS, said: string) => {
      cloud.log(`tunnel to ${wanted}:${port} refused: ${said}`);
      const [code, reason] = REFUSALS[why];
      this.#web.close(code, reason);
    };
    const found = findInstance(cloud, project, zone, wanted);
    // Who may not enter learns nothing of what is there.
    const tunnel = tunnelResource(cloud, project, zone, found?.[1].name ?? wanted);
    if (!cloud.access.allowed(principal, "iap.tunnelInstances.accessViaIAP", tunnel)) {
      close("denied", `iap.tunnelInstances.accessViaIAP is missing on ${tunnel.name}`);
      return;
    }
    if (!found) {
      close("missing", "there is no such instance");
      return;
    }
    const [path, instance] = found;
    if (!(Number.isInteger(port) && port > 0 && port < 65_536) || (query.get("interface") ?? "nic0") !== "nic0") {
      close("missing", "it has no such port or network interface");
      return;
    }
    if (!letsIn(cloud.state, instance, IAP_RANGE, port)) {
      close("backend", `no firewall rule lets ${IAP_RANGE} in to tcp:${port}`);
      return;
    }
    try {
      this.#socket = await machines.connect(path, port);
    } catch (error) {
      close("backend", (error as Error).message);
      return;
    }
    this.#start(this.#socket);
  }

  #start(socket: Socket): void {
    const session = Buffer.from("local");
    this.#web.send(Buffer.concat([tagged(CONNECT_SUCCESS_SID, session.length), session]));
    for (const data of this.#early) socket.write(data);
    this.#early = [];
    socket.on("data", (data: Buffer) => {
      let free = true;
      for (let at = 0; at < data.length; at += LARGEST_DATA) {
        const part = data.subarray(at, at + LARGEST_DATA);
        free = this.#web.send(Buffer.concat([tagged(DATA, part.length), part]));
      }
      if (free) return;
      socket.pause();
      this.#web.drained(() => socket.resume());
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#web.close(1000, ""));
    socket.resume();
  }

  #fromClient(message: Buffer): void {
    // What the client has got is of no interest: a broken tunnel is not taken up again.
    if (message.length < 6 || message.readUInt16BE(0) !== DATA) return;
    const data = message.subarray(6, 6 + message.readUInt32BE(2));
    this.#received += data.length;
    if (!this.#socket) this.#early.push(data);
    else if (!this.#socket.write(data)) {
      this.#web.pause();
      this.#socket.once("drain", () => this.#web.resume());
    }
    if (this.#received - this.#acknowledged < 2 * LARGEST_DATA) return;
    this.#acknowledged = this.#received;
    const ack = Buffer.alloc(10);
    ack.writeUInt16BE(ACK, 0);
    ack.writeBigUInt64BE(BigInt(this.#received), 2);
    this.#web.send(ack);
  }
}

function tagged(tag: number, length: number): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt16BE(tag, 0);
  header.writeUInt32BE(length, 2);
  return header;
}

function findInstance({ state }: Cloud, project: string, zone: string, wanted: string): [string, Instance] | undefined {
  const parent = `projects/${project}/zones/${zone}/instances/`;
  const all = state.collection<Instance>("compute.instances");
  const exact = all.get(parent + wanted);
  if (exact) return [parent + wanted, exact];
  return all.entries().find(([path, { id }]) => path.startsWith(parent) && id === wanted);
}
