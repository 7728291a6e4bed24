import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
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
  const calls = createServer(spec.googleApis);
  // Only gRPC's clients cannot do without HTTP/2: everyone else gets HTTP/1.1, which the local cloud speaks.
  const grpcCalls = createHttp2Server((request, response) => {
    request.headers.host ??= request.authority;
    spec.googleApis(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  const choose = ({ protocols }: { protocols: string[] }) =>
    ["http/1.1", "h2"].find((name) => protocols.includes(name));
  const googleApis = createTlsServer({ key, cert: certificate, ALPNCallback: choose }, (socket) => {
    (socket.alpnProtocol === "h2" ? grpcCalls : calls).emit("connection", socket);
  });
  const sockets = new Set<Socket>();
  for (const server of [metadata, calls] as Server[]) {
    // An upload of hours and a metadata request that waits for a change are both in order.
    server.requestTimeout = 0;
    server.timeout = 0;
    // A guest that hangs up in the middle is no concern of the server's.
    server.on("clientError", (_, socket) => socket.destroy());
  }
  grpcCalls.on("sessionError", () => {});
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
      calls.close();
      grpcCalls.close();
    },
  };
}
