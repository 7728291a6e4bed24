import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { clientVariables } from "../../../cli/local/variables.ts";
import type { Daemon } from "../../../localcloud/daemon.ts";
import { nspawnDriver } from "../../../localcloud/guests/nspawn/driver.ts";
import { type ComputeFixture, machine, startCompute, ZONE } from "../compute/fixture.ts";

export const PLACE = ["--zone", ZONE, "--project", "test-project", "--tunnel-through-iap"];

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** A local cloud with a real machine `m` that the firewall lets tunnels in to, and a person's shell. */
export class World {
  readonly cloud: ComputeFixture;
  readonly folder = mkdtempSync(join(tmpdir(), "gcloud-test-"));
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(cloud: ComputeFixture) {
    this.cloud = cloud;
    const { url, operatorUrl, metadataUrl, project } = cloud.local;
    const token = cloud.local.cloud.tokens.issue({ kind: "operator" }).access_token;
    const daemon = { url, operatorUrl, metadataUrl, project, token } as Daemon;
    // As a shell has it that has eaten `mlt local start`.
    this.#environment = { ...process.env, HOME: this.folder, ...clientVariables(daemon, { stateFolder: this.folder }) };
  }

  /** `undefined` where this host has no such machines; the test is skipped then. */
  static async start(t: TestContext, items: { key: string; value: string }[] = []): Promise<World | undefined> {
    const driver = nspawnDriver();
    const obstacle = await driver.unavailable();
    if (obstacle) {
      t.skip(obstacle.reason);
      return undefined;
    }
    await driver.prepare(console.log);
    const cloud = await startCompute(t, { driver });
    await cloud.network();
    const allowed = [{ IPProtocol: "tcp", ports: ["22", "8080"] }];
    const rule = { name: "iap", network: "global/networks/net", sourceRanges: ["35.235.240.0/20"], allowed };
    await cloud.done("POST", "global/firewalls", rule);
    const world = new World(cloud);
    t.after(() => rmSync(world.folder, { recursive: true, force: true }));
    const metadata = { items: [{ key: "enable-oslogin", value: "TRUE" }, ...items] };
    await cloud.done("POST", `zones/${ZONE}/instances`, machine("m", { metadata }));
    return world;
  }

  /** The variables of a person's own shell: the same, with another token and keys of their own. */
  as(email: string): NodeJS.ProcessEnv {
    const folder = join(this.folder, email);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "token");
    writeFileSync(file, this.cloud.local.cloud.tokens.issue({ kind: "user", email }).access_token);
    return { ...this.#environment, CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: file, CLOUDSDK_CONFIG: folder };
  }

  get operator(): NodeJS.ProcessEnv {
    return this.#environment;
  }

  /** Runs `gcloud` as the path has it. */
  gcloud(args: readonly string[], env = this.#environment): Promise<Ran> {
    return new Promise((resolve) => {
      const options = { env, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
      const child = execFile("gcloud", args, options, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
      });
      child.stdin?.end();
    });
  }

  /** Starts what stays; ends with the test. */
  start(t: TestContext, args: readonly string[], env = this.#environment) {
    const child = spawn("gcloud", args, { env, stdio: ["ignore", "pipe", "pipe"] });
    t.after(() => child.kill("SIGTERM"));
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
    }
    const waitFor = async (pattern: RegExp): Promise<string> => {
      for (let turn = 0; turn < 600; turn += 1) {
        const found = pattern.exec(said);
        if (found) return found[1] ?? found[0];
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`gcloud never said ${pattern}: ${said}`);
    };
    return { child, waitFor };
  }

  /** Waits until the machine's sshd takes OS Login, as somebody would by trying again. */
  async ready(): Promise<void> {
    let last: Ran | undefined;
    for (let turn = 0; turn < 30; turn += 1) {
      last = await this.gcloud(["compute", "ssh", "m", ...PLACE, "--command", "true"]);
      if (last.code === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error(`m lets nobody in: ${last?.stderr}`);
  }

  /** The same tunnels over TLS, which Google's own gcloud insists on; gives the port. */
  async overTls(t: TestContext): Promise<number> {
    const { certificate, url } = this.cloud.local;
    const server = createTlsServer({ key: certificate.key, cert: certificate.certificate }, (socket) => {
      const far = connect(Number(new URL(url).port), "127.0.0.1");
      socket.pipe(far).pipe(socket);
      socket.on("error", () => far.destroy());
      far.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    return (server.address() as { port: number }).port;
  }
}
