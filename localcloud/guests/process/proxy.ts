import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { GOOGLE_HOSTS } from "../guest.ts";

export interface ProxyOptions {
  /** Takes over a connection to one of Google's API hosts; TLS begins on it next. */
  googleApis: (socket: Socket) => void;
  /** This host's own proxy for everything else (`http://[user:password@]host:port`), if it has one. */
  upstream?: string;
  /** Hosts that are reached without `upstream`, as `NO_PROXY` names them. */
  direct?: string;
}

export interface RunningProxy {
  port: number;
  close: () => void;
}

/**
 * A proxy on this host's loopback: Google's API hosts end in the local cloud, everything else is passed on. It sees no
 * content, since both ends speak TLS.
 */
export function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    return socket;
  };
  const server = createServer((_, response) => {
    response.writeHead(405).end("This proxy only knows CONNECT.\n");
  });
  server.on("connect", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    keep(socket);
    const [host = "", port = ""] = splitTarget(request.url ?? "");
    const lowered = host.toLowerCase();
    if (port === "443" && (GOOGLE_HOSTS as readonly string[]).includes(lowered)) {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) socket.unshift(head);
      options.googleApis(socket);
    } else if (lowered.endsWith(".googleapis.com")) {
      // Passed on, it would reach the real Google with a token of the local cloud.
      refuse(socket, "501 Not Implemented", `The local cloud does not model ${host}.`);
    } else {
      tunnel(options, { host, port: Number(port) }, socket, head, keep);
    }
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      });
    });
  });
}

interface Target {
  host: string;
  port: number;
}

function splitTarget(target: string): [string?, string?] {
  const parts = /^\[?([^\]]+?)\]?:(\d+)$/.exec(target);
  return parts ? [parts[1], parts[2]] : [];
}

function tunnel(
  options: ProxyOptions,
  target: Target,
  socket: Socket,
  head: Buffer,
  keep: (socket: Socket) => Socket,
): void {
  if (target.host === "" || !Number.isInteger(target.port)) {
    refuse(socket, "400 Bad Request", "HOST:PORT expected");
    return;
  }
  const established = (far: Socket, rest: Buffer) => {
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (rest.length > 0) socket.write(rest);
    far.write(head);
    far.pipe(socket);
    socket.pipe(far);
    far.on("close", () => socket.destroy());
    socket.on("close", () => far.destroy());
  };
  const failed = (error: Error) => refuse(socket, "502 Bad Gateway", error.message);
  if (options.upstream && !isDirect(target.host, options.direct)) {
    throughUpstream(options.upstream, target, keep, established, failed);
    return;
  }
  const far = connect(target, () => {
    far.off("error", failed);
    established(far, Buffer.alloc(0));
  });
  far.once("error", failed);
  keep(far);
}

function throughUpstream(
  upstream: string,
  { host, port }: Target,
  keep: (socket: Socket) => Socket,
  established: (far: Socket, rest: Buffer) => void,
  failed: (error: Error) => void,
): void {
  const url = new URL(upstream);
  const secure = url.protocol === "https:";
  const options = { host: url.hostname, port: Number(url.port || (secure ? 443 : 80)) };
  const far = secure ? connectTls({ ...options, servername: url.hostname }) : connect(options);
  keep(far);
  far.once("error", failed);
  far.once(secure ? "secureConnect" : "connect", () => {
    const user = url.username ? `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` : "";
    const credentials = user ? `Proxy-Authorization: Basic ${Buffer.from(user).toString("base64")}\r\n` : "";
    far.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n${credentials}\r\n`);
    let answer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf("\r\n\r\n");
      if (end < 0) return;
      far.off("data", onData);
      far.off("error", failed);
      const status = answer.subarray(0, answer.indexOf("\r\n")).toString("latin1");
      if (/^HTTP\/1\.[01] 2/.test(status)) {
        established(far, answer.subarray(end + 4));
        return;
      }
      far.destroy();
      failed(new Error(`this host's proxy answered: ${status}`));
    };
    far.on("data", onData);
  });
}

/** `NO_PROXY`'s common meaning: a name and everything below it; `*` is all. */
export function isDirect(host: string, list = ""): boolean {
  const names = list
    .split(",")
    .map((name) =>
      name
        .trim()
        .toLowerCase()
        .replace(/^\*?\./, ""),
    )
    .filter(Boolean);
  const lowered = host.toLowerCase();
  return names.some((name) => name === "*" || lowered === name || lowered.endsWith(`.${name}`));
}

function refuse(socket: Socket, status: string, message: string): void {
  if (!socket.destroyed) socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\n\r\n${message}\n`);
}
