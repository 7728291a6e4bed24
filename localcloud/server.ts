import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { controlRouter } from "./control.ts";
import { type AccessSettings, createAccess } from "./core/access/decide.ts";
import type { Cloud } from "./core/cloud.ts";
import { Faults } from "./core/faults.ts";
import type { Router } from "./core/http.ts";
import { State } from "./core/state.ts";
import { Tokens } from "./core/tokens.ts";
import { bearer, createFront } from "./front.ts";
import { forProgramsOnly } from "./guard.ts";
import { GOOGLE_HOSTS, type GuestDriver } from "./guests/guest.ts";
import { lockState } from "./lock.ts";
import { createMetadataServer } from "./metadata/server.ts";
import { operatorMetadata } from "./operator-metadata.ts";
import { cloudBillingService } from "./services/cloudbilling/index.ts";
import { computeService } from "./services/compute/index.ts";
import { Machines } from "./services/compute/machines.ts";
import { containerService } from "./services/container/index.ts";
import { iamService } from "./services/iam/index.ts";
import { iapService } from "./services/iap/index.ts";
import { tunnelListener } from "./services/iap/tunnel.ts";
import { kmsService } from "./services/kms/index.ts";
import { loggingService } from "./services/logging/index.ts";
import { orgPolicyService } from "./services/orgpolicy/index.ts";
import { osLoginService } from "./services/oslogin/index.ts";
import { packagesService } from "./services/packages/index.ts";
import { resourceManagerService } from "./services/resourcemanager/index.ts";
import { ensureProject } from "./services/resourcemanager/projects.ts";
import { SERVICES } from "./services/serviceusage/catalogue.ts";
import { enable } from "./services/serviceusage/enabled.ts";
import { type ServiceUsageSettings, serviceUsageService } from "./services/serviceusage/index.ts";
import { storageService } from "./services/storage/index.ts";
import { createServerCertificate } from "./tls/certificate.ts";

/** What can be changed while the local cloud runs (`/local/v1/settings`). */
export interface Settings extends AccessSettings, ServiceUsageSettings {
  /** How far the cloud's clock is ahead of this machine's: schedules, time limits and tokens go by it. */
  clockOffsetMs: number;
}

export interface LocalCloudOptions {
  /** Everything that the cloud knows lies here: start it again on the same folder and it goes on. */
  stateFolder: string;
  /** Boots machines; absent: instances are records that run nothing. */
  driver?: GuestDriver;
  /** The project's id. */
  project?: string;
  /** Ids of further projects, side by side with that one. */
  otherProjects?: readonly string[];
  /** The APIs that are enabled from the start; absent: those of a new project. */
  enabledServices?: "all" | readonly string[];
  settings?: Partial<Settings>;
  /** Ports to take if they are free; absent: any free ones. */
  ports?: { closed?: number; open?: number; metadata?: number };
  log?: (line: string) => void;
  now?: () => number;
  /** Called by `POST /local/v1/shutdown`; absent: that call is refused. */
  onShutdown?: () => void;
}

export interface LocalCloud {
  readonly cloud: Cloud;
  readonly project: string;
  readonly settings: Settings;
  readonly machines: Machines;
  /** Every call needs a token. */
  readonly url: string;
  /** Calls without a token are the operator's. */
  readonly operatorUrl: string;
  /** A metadata server for programs on this machine: `GCE_METADATA_HOST` without `http://`. */
  readonly metadataUrl: string;
  /** Google's host names, as guests call them; a driver adds TLS. */
  readonly googleApis: RequestListener;
  readonly certificate: ReturnType<typeof createServerCertificate>;
  readonly routers: readonly Router[];
  close(): Promise<void>;
}

export const DEFAULT_PROJECT = "local-project";

/** Starts a Google Cloud on this machine's loopback. */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const state = new State(options.stateFolder);
  const unlock = lockState(options.stateFolder);
  try {
    return await open(options, state, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

async function open(options: LocalCloudOptions, state: State, unlock: () => void): Promise<LocalCloud> {
  const { project = DEFAULT_PROJECT, log = () => {}, now: clock = Date.now } = options;
  const settings: Settings = { iamDelayMs: 0, serviceEnableDelayMs: 0, clockOffsetMs: 0, ...options.settings };
  const now = () => clock() + settings.clockOffsetMs;
  const cloud: Cloud = {
    state,
    access: createAccess({ state, now, settings }),
    tokens: new Tokens(sessionKey(options.stateFolder), now),
    faults: new Faults(now),
    now,
    log,
  };
  const { projectNumber } = ensureProject(cloud, project);
  for (const other of options.otherProjects ?? []) ensureProject(cloud, other);
  for (const each of [project, ...(options.otherProjects ?? [])]) {
    for (const service of initialServices(options.enabledServices)) enable(state, each, service, 0);
  }

  const certificate = createServerCertificate(GOOGLE_HOSTS, Date.now());
  const routers: Router[] = [];
  const front = { cloud, project, routers };
  const googleApis = createFront(front, "guest");
  const machines = new Machines({
    cloud,
    driver: options.driver,
    metadataFor: createMetadataServer,
    googleApis,
    certificate,
  });
  routers.push(storageService(cloud), computeService(cloud, machines), ...iamService(cloud));
  routers.push(resourceManagerService(cloud), serviceUsageService(cloud, settings), loggingService(cloud));
  routers.push(cloudBillingService(cloud), orgPolicyService(cloud), kmsService(cloud));
  const container = containerService(cloud);
  routers.push(container.router, packagesService(cloud), iapService(cloud), osLoginService(cloud));

  const { ports = {} } = options;
  // Only at the door that asks for a token: a page in a browser can open a WebSocket to anywhere, but send none with it.
  const tunnels = tunnelListener({ cloud, machines, caller: (request) => bearer(cloud, request) });
  const closed = await listen(createFront(front, "closed"), ports.closed, tunnels);
  const open = await listen(forProgramsOnly(createFront(front, "open")), ports.open);
  const metadata = await listen(
    forProgramsOnly(createMetadataServer(operatorMetadata(cloud, { project, projectNumber }))),
    ports.metadata,
  );
  routers.push(controlRouter({ cloud, settings, machines, project, url: open.url, shutdown: options.onShutdown }));

  return {
    cloud,
    project,
    settings,
    machines,
    url: closed.url,
    operatorUrl: open.url,
    metadataUrl: metadata.url,
    googleApis,
    certificate,
    routers,
    async close() {
      await Promise.all([closed.close(), open.close(), metadata.close()]);
      await Promise.all([machines.close(), container.settled()]);
      unlock();
    },
  };
}

/** New on the first start only: what was disabled since stays so. */
function initialServices(wanted: LocalCloudOptions["enabledServices"]): string[] {
  if (wanted === "all") return Object.keys(SERVICES);
  const unknown = (wanted ?? []).filter((name) => !SERVICES[name]);
  if (unknown.length > 0) throw new Error(`The local cloud does not know the services ${unknown.join(", ")}.`);
  return [...Object.keys(SERVICES).filter((name) => SERVICES[name]?.initial), ...(wanted ?? [])];
}

/** The key that signs tokens lives as long as the state: a token outlasts a restart. */
function sessionKey(folder: string): Buffer {
  const file = join(folder, "token.key");
  if (existsSync(file)) return readFileSync(file);
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
  writeFileSync(file, key, { mode: 0o600 });
  return key;
}

interface Listening {
  url: string;
  close(): Promise<void>;
}

/** Loopback only: nothing of this cloud can be reached from another machine. */
async function listen(
  listener: RequestListener,
  port = 0,
  upgrade?: ReturnType<typeof tunnelListener>,
): Promise<Listening> {
  // Idle connections stay open for minutes, as Google's do: Node's five seconds end some of them just when a client
  // that was kept waiting by a busy machine sends its next call.
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 240_000 }, listener);
  const upgraded = new Set<Duplex>();
  if (upgrade) {
    server.on("upgrade", (request, stream, head) => {
      upgraded.add(stream);
      stream.once("close", () => upgraded.delete(stream));
      upgrade(request, stream, head);
    });
  }
  await bind(server, port).catch((error: NodeJS.ErrnoException) => {
    if (port === 0 || error.code !== "EADDRINUSE") throw error;
    return bind(server, 0);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const stream of upgraded) stream.destroy();
      }),
  };
}

function bind(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}
