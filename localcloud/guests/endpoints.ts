import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { GuestSpec } from "./guest.ts";

/** The two servers that a guest talks to, without a socket of their own: the driver brings connections. */
export interface Endpoints {
  metadata: (socket: Socket) => void;
  googleApis: (socket: Socket) => void;
  close: () => void;
}

export function createEndpoints(spec: GuestSpec): Endpoints {
  const { key, certificate } = spec.certificate;
  const metadata = createServer(spec.metadata);
  const googleApis = createTlsServer({ key, cert: certificate }, spec.googleApis);
  const sockets = new Set<Socket>();
  for (const server of [metadata, googleApis] as Server[]) {
    // An upload of hours and a metadata request that waits for a change are both in order.
    server.requestTimeout = 0;
    server.timeout = 0;
    // A guest that hangs up in the middle is no concern of the server's.
    server.on("clientError", (_, socket) => socket.destroy());
  }
  const enter = (server: { emit(event: "connection", socket: Socket): boolean }) => (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    server.emit("connection", socket);
  };
  return {
    metadata: enter(metadata),
    googleApis: enter(googleApis),
    close: () => {
      for (const socket of sockets) socket.destroy();
      metadata.close();
      googleApis.close();
    },
  };
}
