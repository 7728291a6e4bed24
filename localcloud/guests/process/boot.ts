import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join, resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import { METADATA_HOSTS } from "../bootConfig.ts";
import { lineSplitter } from "../command.ts";
import { createEndpoints } from "../endpoints.ts";
import type { Guest, GuestSpec } from "../guest.ts";
import { pipConf, trustedCertificates } from "../hostSettings.ts";
import { ensureProcessDisk } from "./disk.ts";
import { type RunningProxy, startProxy } from "./proxy.ts";

/** Runs the startup script as a process of this host, with the same services and the same host names behind a proxy. */
export async function bootProcess(spec: GuestSpec): Promise<Guest> {
  const disk = resolvePath(spec.diskFolder);
  for (const { name } of spec.dataDisks ?? []) spec.serial(`The data disk ${name} is not there: ${NO_DEVICES}`);
  const files = writeFiles(spec, disk);
  const endpoints = createEndpoints(spec);
  const metadata = await listen(endpoints.metadata);
  const environment = process.env;
  const proxy = await startProxy({
    googleApis: endpoints.googleApis,
    upstream: environment.https_proxy || environment.HTTPS_PROXY || undefined,
    direct: environment.no_proxy || environment.NO_PROXY || undefined,
  });
  // No name that a machine's own software takes for a setting of its own and keeps from the programs that it starts.
  const mark = `GUEST_OF_LOCAL_CLOUD_${randomBytes(8).toString("hex")}`;
  const keeper = spawn(
    process.execPath,
    [fileURLToPath(new URL("keeper.js", import.meta.url)), mark, "bash", files.script],
    {
      cwd: disk,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: guestEnvironment(files, (metadata.address() as AddressInfo).port, proxy),
    },
  );
  const close = () => {
    metadata.close();
    metadata.closeAllConnections();
    proxy.close();
    endpoints.close();
  };
  return new ProcessGuest(spec, keeper, close);
}

const NO_DEVICES = 'a guest of the level "process" has no block devices';

interface Files {
  script: string;
  root: string;
  bundle: string;
  pipConf: string;
  temporary: string;
}

function writeFiles(spec: GuestSpec, disk: string): Files {
  const files: Files = {
    script: join(disk, "startup-script"),
    root: ensureProcessDisk({ diskFolder: disk, imageFolders: spec.imageFolders }),
    bundle: join(disk, "ca-certificates.crt"),
    pipConf: join(disk, "pip.conf"),
    temporary: join(disk, "tmp"),
  };
  mkdirSync(files.temporary, { recursive: true });
  writeFileSync(files.script, spec.startupScript);
  chmodSync(files.script, 0o700);
  writeFileSync(files.bundle, `${trustedCertificates().trim()}\n${spec.certificate.authority.trim()}\n`);
  writeFileSync(files.pipConf, pipConf(files.bundle));
  return files;
}

/** A machine's environment, not this session's: of the host's variables only what says where programs are. */
function guestEnvironment(files: Files, metadataPort: number, proxy: RunningProxy): NodeJS.ProcessEnv {
  const metadata = `127.0.0.1:${metadataPort}`;
  const proxyUrl = `http://127.0.0.1:${proxy.port}`;
  const direct = ["127.0.0.1", "localhost", ...METADATA_HOSTS].join(",");
  const trust = [
    "CURL_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
  ];
  return {
    PATH: process.env.PATH,
    LANG: "C.UTF-8",
    TMPDIR: files.temporary,
    MLT_INIT: "none",
    ML_TRAINING_ROOT: files.root,
    GCE_METADATA_HOST: metadata,
    GCE_METADATA_IP: metadata,
    GCE_METADATA_ROOT: metadata,
    HTTPS_PROXY: proxyUrl,
    https_proxy: proxyUrl,
    NO_PROXY: direct,
    no_proxy: direct,
    PIP_CONFIG_FILE: files.pipConf,
    ...Object.fromEntries(trust.map((name) => [name, files.bundle])),
  };
}

function listen(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer();
  server.removeAllListeners("connection");
  server.on("connection", onConnection);
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

class ProcessGuest implements Guest {
  readonly off: Guest["off"];
  readonly #keeper: ChildProcess;
  #isCut = false;

  constructor(spec: GuestSpec, keeper: ChildProcess, close: () => void) {
    this.#keeper = keeper;
    keeper.stdin?.on("error", () => {});
    for (const stream of [keeper.stdout, keeper.stderr]) {
      const lines = lineSplitter(spec.serial);
      stream?.setEncoding("utf8").on("data", (chunk: string) => lines.push(chunk));
      stream?.on("end", () => lines.end());
    }
    this.off = new Promise((resolve) => {
      const end = (reason: "poweroff" | "cut" | "crash", message: string) => {
        close();
        resolve({ reason, message });
      };
      keeper.on("error", (error) => end("crash", error.message));
      keeper.on("close", (code, signal) => {
        if (this.#isCut) end("cut", "the power was cut");
        else if (code === 137 || code === null) end("crash", `the machine's process was killed (${signal ?? code})`);
        else end("poweroff", `the machine's process ended with ${code}`);
      });
    });
  }

  async attach(): Promise<void> {
    throw new Error(NO_DEVICES);
  }

  async detach(): Promise<void> {}

  async connect(): Promise<Socket> {
    throw new Error('a guest of the level "process" has no network address and no sshd of its own');
  }

  async powerButton(): Promise<void> {
    this.#keeper.stdin?.write("power\n");
  }

  async cut(): Promise<void> {
    if (this.#keeper.exitCode === null && this.#keeper.signalCode === null) this.#isCut = true;
    this.#keeper.stdin?.end();
    await this.off;
  }
}
