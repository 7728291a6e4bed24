// Stands between `mlt` and the local cloud, as a network does: counts, cuts, stalls, goes away and comes back.
import http from "node:http";
import net, { type AddressInfo } from "node:net";

export interface Forwarder {
  url: string;
  /** Bytes of bodies that were passed on, by method; of CONNECT the calls. */
  readonly sent: Map<string, number>;
  /** After so many bytes of one PUT, once: what happens to the connection. */
  trouble: { after: number; kind: "cut" | "stall" } | undefined;
  /** Called when a connection is left stalling. */
  onStall: () => void;
  close(): Promise<void>;
  /** Listens again where it did. */
  open(): Promise<void>;
}

/** @param target the root of what is passed on to */
export async function startForwarder(target: string): Promise<Forwarder> {
  const { hostname, port } = new URL(target);
  const sent = new Map<string, number>();
  const forwarder: Forwarder = {
    url: "",
    sent,
    trouble: undefined,
    onStall: () => undefined,
    async close() {
      server.closeAllConnections();
      for (const tunnel of tunnels) tunnel.destroy();
      await new Promise((done) => server.close(done));
    },
    open: () => listen(Number(new URL(forwarder.url).port)),
  };
  const server = http.createServer((request, response) => {
    // The path alone also where the client speaks to a proxy, with the whole address.
    const path = (request.url ?? "/").replace(/^http:\/\/[^/]+/, "");
    const method = request.method ?? "GET";
    const onward = http.request({ hostname, port, path, method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    onward.on("error", () => response.destroy());
    let passed = 0;
    let stalled = false;
    request.on("data", (chunk: Buffer) => {
      if (stalled) return;
      passed += chunk.length;
      sent.set(method, (sent.get(method) ?? 0) + chunk.length);
      onward.write(chunk);
      const { trouble } = forwarder;
      if (method !== "PUT" || !trouble || passed < trouble.after) return;
      forwarder.trouble = undefined;
      if (trouble.kind === "cut") {
        // What is on its way arrives.
        setTimeout(() => onward.destroy(), 100);
        request.socket.destroy();
      } else {
        stalled = true;
        request.pause();
        forwarder.onStall();
      }
    });
    request.on("end", () => onward.end());
    request.on("error", () => onward.destroy());
    request.on("close", () => {
      if (!request.complete) setTimeout(() => onward.destroy(), 100);
    });
  });
  // As a proxy: whatever host is asked for, the way leads to the target.
  const tunnels = new Set<net.Socket>();
  server.on("connect", (_request, socket: net.Socket, head: Buffer) => {
    const onward = net.connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    sent.set("CONNECT", (sent.get("CONNECT") ?? 0) + 1);
    for (const end of [socket, onward]) {
      tunnels.add(end);
      end.on("error", () => undefined);
      end.on("close", () => [socket, onward].forEach((other) => void other.destroy()));
    }
  });
  const listen = (at: number) =>
    new Promise<void>((done) => {
      server.listen(at, "127.0.0.1", () => {
        forwarder.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        done();
      });
    });
  await listen(0);
  return forwarder;
}
