import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { API_ADDRESS, METADATA_ADDRESS } from "../bootConfig.ts";
import type { Endpoints } from "../endpoints.ts";

/** slirp's own name server, as guests see it. */
export const NAME_SERVER = "10.0.2.3";
/** The namespace's own address in slirp's network. */
export const NETWORK_ADDRESS = "10.0.2.100";

/** The namespaces of a machine: those of its process. */
export interface Namespace {
  pid: number;
  /** The network belongs to a user namespace, which is entered first. */
  inUserNamespace: boolean;
}

/** Serves metadata and Google's API hosts inside the namespace; returns the way to stop. */
export async function serveInside(namespace: Namespace, endpoints: Endpoints): Promise<() => void> {
  const handlers: Record<string, (socket: Socket) => void> = {
    [`${METADATA_ADDRESS}:80`]: endpoints.metadata,
    [`${API_ADDRESS}:443`]: endpoints.googleApis,
  };
  const script = fileURLToPath(new URL("listen.js", import.meta.url));
  const child = enter(namespace, script, Object.keys(handlers));
  const said = collect(child.stderr as Readable);
  const servers: Server[] = [];
  child.on("message", (name: string, server) => {
    servers.push(server as Server);
    (server as Server).on("connection", handlers[name] as (socket: Socket) => void);
  });
  const code = await ended(child);
  if (servers.length !== Object.keys(handlers).length) {
    for (const server of servers) server.close();
    throw new Error(`The guest's metadata address could not be opened (exit ${code}): ${said()}`);
  }
  return () => {
    for (const server of servers) server.close();
  };
}

/** A script of ours in the namespace, without this session's settings (`NODE_OPTIONS`), with a channel to it. */
export function enter({ pid, inUserNamespace }: Namespace, script: string, args: readonly string[] = []): ChildProcess {
  const user = inUserNamespace ? ["--user", "--preserve-credentials"] : [];
  return spawn("nsenter", [`--target=${pid}`, ...user, "--net", process.execPath, script, ...args], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: { PATH: process.env.PATH },
  });
}

/** Gives the namespace a way to the package index, without any to this host's own loopback. Ends with this process. */
export async function connectOut(namespace: Namespace): Promise<() => void> {
  const user = namespace.inUserNamespace ? [`--userns-path=/proc/${namespace.pid}/ns/user`] : [];
  const child = spawn(
    "slirp4netns",
    [
      "--configure",
      "--mtu=1500",
      "--disable-host-loopback",
      "--enable-seccomp",
      "--exit-fd=3",
      "--ready-fd=4",
      ...user,
      "--netns-type=path",
      `/proc/${namespace.pid}/ns/net`,
      "tap0",
    ],
    { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] },
  );
  const said = collect(child.stderr as Readable);
  const [, , , alive, ready] = child.stdio as [unknown, unknown, unknown, Readable, Readable];
  alive.on("error", () => {});
  const isReady = await Promise.race([once(ready, "data").then(() => true), ended(child).then(() => false)]);
  if (!isReady) throw new Error(`slirp4netns could not connect the guest: ${said()}`);
  return () => child.kill("SIGKILL");
}

function collect(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text = (text + chunk).slice(-2000);
  });
  return () => text.trim();
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(String(code ?? signal)));
  });
}
