import { createServer, type Socket } from "node:net";
import type { Arguments } from "./arguments.ts";
import { GcloudError } from "./arguments.ts";
import type { LocalCloud, Place } from "./cloud.ts";
import { Tunnel } from "./relay.ts";

/** `compute start-iap-tunnel`: one connection over standard input and output, or a port of this host for many. */
export async function startTunnel(cloud: LocalCloud, place: Place, read: Arguments): Promise<number> {
  const port = Number(read.words[1]);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new GcloudError(
      `argument INSTANCE_PORT: Value must be a port from 1 to 65535; received: ${read.words[1]}`,
      2,
    );
  }
  if (read.switches.has("listen-on-stdin")) return overStandardInput(cloud, place, port);
  const [host, local] = localHostPort(read.values["local-host-port"] ?? "localhost:0");
  // As gcloud does, the way is tried before anybody is told that it is open.
  (await Tunnel.open(cloud, place, port)).close();
  return listen(cloud, place, port, host, local);
}

function localHostPort(text: string): [host: string, port: number] {
  const [, host = "localhost", port = ""] = /^(?:\[?([^\]]*?)\]?:)?(\d+)$/.exec(text) ?? [];
  if (port === "") throw new GcloudError(`argument --local-host-port: Bad value: ${text}; HOST:PORT is expected.`, 2);
  return [host || "localhost", Number(port)];
}

async function overStandardInput(cloud: LocalCloud, place: Place, port: number): Promise<number> {
  const tunnel = await Tunnel.open(cloud, place, port);
  const { stdin, stdout } = process;
  return new Promise((resolve) => {
    tunnel.start({
      data: (data) => {
        if (stdout.write(data)) return;
        tunnel.pause();
        stdout.once("drain", () => tunnel.resume());
      },
      ended: () => resolve(0),
    });
    stdout.on("error", () => resolve(0));
    stdin.on("data", (data: Buffer) => {
      if (tunnel.write(data)) return;
      stdin.pause();
      tunnel.drained(() => stdin.resume());
    });
    stdin.on("end", () => {
      tunnel.close();
      resolve(0);
    });
  });
}

function listen(cloud: LocalCloud, place: Place, port: number, host: string, local: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      join(cloud, place, port, socket).catch((error: Error) => {
        console.error(`ERROR: (gcloud.compute.start-iap-tunnel) ${error.message}`);
        socket.destroy();
      });
    });
    server.on("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "Local port is in use" : error.message;
      reject(new GcloudError(`Unable to open socket on port [${local}]: ${why}.`));
    });
    server.listen(local, host, () => {
      const { port: open } = server.address() as { port: number };
      if (local === 0) console.error(`Picking local unused port [${open}].`);
      console.error(`Listening on port [${open}].`);
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(0));
  });
}

async function join(cloud: LocalCloud, place: Place, port: number, socket: Socket): Promise<void> {
  const tunnel = await Tunnel.open(cloud, place, port);
  tunnel.start({
    data: (data) => {
      if (socket.write(data)) return;
      tunnel.pause();
      socket.once("drain", () => tunnel.resume());
    },
    ended: () => socket.end(),
  });
  socket.on("data", (data: Buffer) => {
    if (tunnel.write(data)) return;
    socket.pause();
    tunnel.drained(() => socket.resume());
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => tunnel.close());
  socket.resume();
}
