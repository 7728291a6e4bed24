import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Arguments, GcloudError } from "./arguments.ts";
import type { Instance, LocalCloud, Place } from "./cloud.ts";

/** Whom and what to connect to. */
interface Connection {
  user: string;
  /** Stands for the machine in `known_hosts`: another machine of the same name is another one. */
  alias: string;
  options: string[];
}

/** `compute ssh`: a shell on the machine, one command (`--command`), or what ssh is told behind `--`. */
export async function ssh(cloud: LocalCloud, place: Place, read: Arguments): Promise<number> {
  const [user, instance] = login(read.words[0] ?? "");
  const { command } = read.values;
  const connection = await prepare(cloud, { ...place, instance }, "ssh", user);
  const there = `${connection.user}@${connection.alias}`;
  const terminal = command === undefined ? ["-t"] : [];
  // ssh takes options behind the host, too, where gcloud puts what stands behind `--`.
  const remote = command === undefined ? [] : ["--", command];
  return run("ssh", [...terminal, ...connection.options, there, ...read.rest, ...remote]);
}

/** `compute scp`: files to or from one machine, each end on it as `[USER@]NAME:PATH`. */
export async function scp(cloud: LocalCloud, place: Omit<Place, "instance">, read: Arguments): Promise<number> {
  if (read.words.length < 2)
    throw new GcloudError("argument [[USER@]INSTANCE:]SRC [[USER@]INSTANCE:]DEST: Must be specified.", 2);
  const ends = read.words.map(fileEnd);
  const destination = ends.at(-1) as FileEnd;
  const sources = ends.slice(0, -1);
  const remote = [...new Set(ends.flatMap(({ machine }) => machine ?? []))];
  if (remote.length === 0) {
    throw new GcloudError(
      "Source(s) must be remote when destination is local. Got sources: [" +
        sources.map(({ path }) => path).join(", ") +
        "]",
    );
  }
  if (remote.length > 1)
    throw new GcloudError("All sources must refer to files on the same remote when destination is local.");
  if (destination.machine && sources.some(({ machine }) => machine)) {
    throw new GcloudError("All sources must be local files when destination is remote.");
  }
  const [user, instance] = login(remote[0] as string);
  const connection = await prepare(cloud, { ...place, instance }, "scp", user);
  const files = ends.map(({ machine, path }) => (machine ? `${connection.user}@${connection.alias}:${path}` : path));
  const recurse = read.switches.has("recurse") ? ["-r"] : [];
  return run("scp", [...recurse, ...connection.options, ...read.rest, ...files]);
}

interface FileEnd {
  machine?: string;
  path: string;
}

/** A colon parts machine and path, unless a slash comes first: then it is a file here. */
function fileEnd(text: string): FileEnd {
  const [, machine, path = ""] = /^([^/:]+):([\s\S]*)$/.exec(text) ?? [];
  return machine === undefined ? { path: text } : { machine, path };
}

function login(text: string): [user: string | undefined, instance: string] {
  const [, user, instance = ""] = /^(?:([^@]+)@)?([^@]+)$/.exec(text) ?? [];
  if (instance === "") throw new GcloudError("argument [USER@]INSTANCE: Must be specified.", 2);
  return [user, instance];
}

/** The caller's key is the machine's to know before ssh asks for it: OS Login. */
async function prepare(cloud: LocalCloud, place: Place, program: "ssh" | "scp", wanted?: string): Promise<Connection> {
  requireProgram(program);
  const instance = await cloud.instance(place);
  if (!(await usesOsLogin(cloud, place, instance))) {
    throw new GcloudError(
      `The instance ${place.instance} does not use OS Login (metadata enable-oslogin is not TRUE); the local cloud's gcloud knows no other way in.`,
    );
  }
  const folder = join(process.env.CLOUDSDK_CONFIG ?? join(homedir(), ".config", "gcloud"), "ssh");
  const key = ensureKey(folder);
  const email = await cloud.email();
  const { loginProfile } = await cloud.call<{
    loginProfile: { posixAccounts: { username: string; primary?: boolean }[] };
  }>("POST", `/oslogin/v1/users/${encodeURIComponent(email)}:importSshPublicKey?projectId=${place.project}`, {
    key: readFileSync(`${key}.pub`, "utf8").trim(),
  });
  const own = loginProfile.posixAccounts.find(({ primary }) => primary)?.username ?? "";
  if (wanted && wanted !== own) console.error(`Using OS Login user [${own}] instead of requested user [${wanted}]`);
  const alias = `compute.${instance.id}`;
  const { project, zone, instance: name } = place;
  const proxy = [
    ...starter(),
    "compute",
    "start-iap-tunnel",
    name,
    "%p",
    "--listen-on-stdin",
    "--project",
    project,
    "--zone",
    zone,
    ...(cloud.impersonated ? ["--impersonate-service-account", cloud.impersonated] : []),
  ];
  const options: [string, string][] = [
    ["CheckHostIP", "no"],
    ["HashKnownHosts", "no"],
    ["HostKeyAlias", alias],
    ["IdentitiesOnly", "yes"],
    // A machine that nobody has connected to yet is believed, as by gcloud; one that is another by now is not.
    ["StrictHostKeyChecking", "accept-new"],
    ["UserKnownHostsFile", `"${join(folder, "google_compute_known_hosts")}"`],
    ["ProxyCommand", proxy.map(quoted).join(" ")],
    ["ProxyUseFdpass", "no"],
  ];
  return { user: own, alias, options: ["-i", key, ...options.flatMap(([name, value]) => ["-o", `${name}=${value}`])] };
}

/** The machine's own word wins over the project's. */
async function usesOsLogin(cloud: LocalCloud, { project }: Place, instance: Instance): Promise<boolean> {
  // Google's gcloud asks for the project in any case.
  const { commonInstanceMetadata } = await cloud.call<{ commonInstanceMetadata?: Instance["metadata"] }>(
    "GET",
    `/compute/v1/projects/${project}`,
  );
  const word = (metadata: Instance["metadata"] | undefined) =>
    metadata?.items?.find(({ key }) => key === "enable-oslogin")?.value;
  return /^true$/i.test(word(instance.metadata) ?? word(commonInstanceMetadata) ?? "");
}

function ensureKey(folder: string): string {
  const key = join(folder, "google_compute_engine");
  if (existsSync(key) && existsSync(`${key}.pub`)) return key;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  requireProgram("ssh-keygen");
  const { status, stderr } = spawnSync(
    "ssh-keygen",
    ["-q", "-t", "ed25519", "-N", "", "-C", "local-cloud", "-f", key],
    {
      encoding: "utf8",
      input: "y\n",
    },
  );
  if (status !== 0) throw new GcloudError(`ssh-keygen made no key in ${folder}: ${stderr.trim()}`);
  return key;
}

const INSTALL = {
  linux: "sudo apt-get install openssh-client",
  darwin: "it comes with macOS; look at your PATH",
} as Partial<Record<NodeJS.Platform, string>>;

function requireProgram(program: string): void {
  const { error } = spawnSync(program, ["-V"], { stdio: "ignore" });
  if ((error as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") return;
  const how = INSTALL[process.platform] ?? "install OpenSSH's client";
  throw new GcloudError(`Your platform does not support SSH: there is no ${program} on the path. To get it: ${how}`);
}

/** How this program is started anew. */
function starter(): string[] {
  const { GCLOUD_STARTER: file } = process.env;
  return file ? [file] : [process.execPath, ...process.execArgv, process.argv[1] ?? ""];
}

/** A word of the shell that runs a ProxyCommand; ssh itself reads percent signs, which only `%p` may be. */
function quoted(word: string): string {
  if (word === "%p") return word;
  const plain = word.replaceAll("%", "%%");
  return /^[\w%+,./:=@-]+$/.test(plain) ? plain : `'${plain.replaceAll("'", "'\\''")}'`;
}

/** Ends as the program ends; gcloud's word for a failure of ssh itself. */
function run(program: "ssh" | "scp", args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit" });
    // The terminal sends Ctrl-C to both; what it means is ssh's to say.
    const ignore = () => undefined;
    process.on("SIGINT", ignore);
    const pass = (signal: NodeJS.Signals) => child.kill(signal);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, pass);
    child.on("error", (error) => reject(new GcloudError(error.message)));
    child.on("close", (code, signal) => {
      const status = code ?? (signal ? 143 : 1);
      if (status === 255)
        console.error(`ERROR: (gcloud.compute.${program}) [${program}] exited with return code [255].`);
      resolve(status);
    });
  });
}
