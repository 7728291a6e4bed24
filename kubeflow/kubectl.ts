import { type ChildProcess, spawn } from "node:child_process";
import { UserError } from "../training/errors.ts";
import { type ClusterAccess, fetchCredentials, hasCredentials } from "./access.ts";
import { isUnreachable, kubectlFailed } from "./words.ts";

/** What kubectl did. */
export interface KubectlEnded {
  /** A signal n counts as 128 + n. */
  code: number;
  stdout: string;
  /** The end of what it said on standard error. */
  said: string;
}

export interface RunningKubectl {
  ended: Promise<KubectlEnded>;
  /** SIGTERM, then SIGKILL after three seconds. */
  end(): Promise<KubectlEnded>;
}

export interface KubectlStreams {
  /** Called with each piece of standard output, which is not kept then. */
  stdout?: (data: Buffer) => void;
  stderr?: (data: Buffer) => void;
}

const KEPT = 16_384;
/**
 * Ports are led through WebSockets instead of SPDY, which proxies do not pass on: kubectl's own choice since 1.31, an
 * option in 1.30, which reads it here. That the DNS endpoint passes no SPDY is general knowledge, not Google's page.
 */
const WEBSOCKETS = { KUBECTL_PORT_FORWARD_WEBSOCKETS: "true" };

/** kubectl with the cluster's own kubeconfig and namespace. */
export class Kubectl {
  readonly access: ClusterAccess;
  /** The one time that the address is fetched, for all calls that wait for it. */
  #fetching: Promise<void> | undefined;

  constructor(access: ClusterAccess) {
    this.access = access;
  }

  /** Arguments that stand before a command's own. */
  get before(): string[] {
    return ["--kubeconfig", this.access.kubeconfig, "--namespace", this.access.namespace];
  }

  /**
   * The standard output of one call.
   * @throws UserError in the user's words if it fails
   */
  async text(args: readonly string[], doing: string): Promise<string> {
    const { stdout } = await this.reaching(async () => {
      // Whoever waits for something says for how long.
      const patience = args.includes("--wait=true") ? [] : ["--request-timeout=30s"];
      const ended = await this.start([...patience, ...args]).ended;
      return ended.code === 0 ? ended : { ...ended, failed: true };
    }, doing);
    return stdout;
  }

  async json<T>(args: readonly string[], doing: string): Promise<T> {
    const text = await this.text([...args, "--output", "json"], doing);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new UserError(`${doing} failed: kubectl's answer is no JSON. Is ${this.access.tools.kubectl} kubectl?`, 70);
    }
  }

  /**
   * Makes an attempt with the address that is known. One that finds nobody is made again with the address as gcloud
   * knows it now: a cluster that was made anew has another.
   */
  async reaching<T extends { said: string; code: number; failed?: boolean }>(
    attempt: () => Promise<T>,
    doing: string,
  ): Promise<T> {
    if (this.#fetching || !hasCredentials(this.access)) await this.#fetch();
    const wasFresh = this.#fetching !== undefined;
    let ended = await attempt();
    if (ended.failed && !wasFresh && isUnreachable(ended.said)) {
      await this.#fetch();
      ended = await attempt();
    }
    if (ended.failed) throw kubectlFailed(doing, ended.said, ended.code, this.access);
    return ended;
  }

  #fetch(): Promise<void> {
    this.#fetching ??= fetchCredentials(this.access);
    return this.#fetching;
  }

  start(args: readonly string[], { stdout, stderr }: KubectlStreams = {}): RunningKubectl {
    const { kubectl } = this.access.tools;
    const env = { ...WEBSOCKETS, ...process.env };
    const child = spawn(kubectl, [...this.before, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
    const pieces: Buffer[] = [];
    let said = "";
    child.stdout.on("data", stdout ?? ((data: Buffer) => pieces.push(data)));
    child.stderr.on("data", (data: Buffer) => {
      said = (said + data.toString("utf8")).slice(-KEPT);
      stderr?.(data);
    });
    const ended = endOf(child).then((code) => ({ code, stdout: Buffer.concat(pieces).toString("utf8"), said }));
    return {
      ended,
      async end() {
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 3000);
        try {
          return await ended;
        } finally {
          clearTimeout(timer);
        }
      },
    };
  }
}

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(new UserError(`kubectl cannot be started (${error.code ?? error.message}). Install it anew.`)),
    );
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
  });
}
