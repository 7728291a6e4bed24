// `gcloud` for the local cloud: see README.md. Arguments: gcloud's own.
import { spawn } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Arguments, type Flags, GcloudError, readArguments } from "./arguments.ts";
import { LocalCloud, type Place } from "./cloud.ts";
import { MARK } from "./launcher.ts";
import { scp, ssh } from "./ssh.ts";
import { startTunnel } from "./tunnel.ts";

interface Command {
  flags: Flags;
  run: (read: Arguments, name: string) => Promise<number> | number;
}

/** Whom a call is made as, besides the one who is logged in. */
const AS = "impersonate-service-account";
const EVERYWHERE = { values: ["project", "verbosity", "format"], switches: ["quiet"] };
const AT_PLACE = { values: ["zone", AS], switches: ["tunnel-through-iap"] };

function flags(values: readonly string[] = [], switches: readonly string[] = []): Flags {
  return { values: [...EVERYWHERE.values, ...values], switches: [...EVERYWHERE.switches, ...switches] };
}

const COMMANDS: Record<string, Command> = {
  "compute ssh": {
    flags: flags([...AT_PLACE.values, "command"], AT_PLACE.switches),
    run: async (read, name) => ssh(await requireTunnel(read), place(read, name), read),
  },
  "compute scp": {
    flags: flags(AT_PLACE.values, [...AT_PLACE.switches, "recurse"]),
    run: async (read, name) => scp(await requireTunnel(read), place(read, name), read),
  },
  "compute start-iap-tunnel": {
    flags: flags(["zone", "local-host-port", AS], ["listen-on-stdin"]),
    run: async (read, name) => startTunnel(await cloudFor(read), place(read, name), read),
  },
  "compute instances get-serial-port-output": {
    flags: flags(["zone", "port", "start"]),
    run: (read, name) => serial(place(read, name), read),
  },
  "auth print-access-token": {
    flags: flags(),
    run: () => print(new LocalCloud(process.env).token),
  },
  "config get-value": {
    flags: flags(),
    run: async ({ words: [property = ""] }) => {
      const cloud = new LocalCloud(process.env);
      const name = property.replace(/^core\//, "");
      if (name === "project") return print(cloud.project ?? "(unset)");
      if (name === "account") return print(await cloud.email());
      throw new GcloudError(`The local cloud's gcloud has no property [${property}]; it has project and account.`);
    },
  },
};

function print(line: string): number {
  console.log(line);
  return 0;
}

/** Where the machine is. Without a zone Google's gcloud asks; here it has to be said. */
function place({ words, values }: Arguments, command: string): Place {
  const project = values.project ?? process.env.CLOUDSDK_CORE_PROJECT;
  if (!project) throw new GcloudError("The required property [project] is not currently set: give --project.");
  const zone = values.zone ?? process.env.CLOUDSDK_COMPUTE_ZONE;
  if (!zone) throw new GcloudError(`Underspecified resource for ${command}. Specify the [--zone] flag.`);
  const instance = words[0] ?? "";
  if (instance === "") throw new GcloudError("argument INSTANCE_NAME: Must be specified.", 2);
  return { project, zone, instance };
}

/** The local cloud, as whoever the command is to be run. */
async function cloudFor({ values }: Arguments): Promise<LocalCloud> {
  const cloud = new LocalCloud(process.env);
  const account = values[AS];
  if (account === undefined) return cloud;
  console.error(
    `WARNING: This command is using service account impersonation. All API calls will be executed as [${account}].`,
  );
  await cloud.actAs(account);
  return cloud;
}

async function requireTunnel(read: Arguments): Promise<LocalCloud> {
  if (read.switches.has("tunnel-through-iap")) return cloudFor(read);
  throw new GcloudError(
    "The local cloud's machines are reached through Identity-Aware Proxy only: give --tunnel-through-iap. A public address leads nowhere here.",
  );
}

async function serial({ project, zone, instance }: Place, { values }: Arguments): Promise<number> {
  const query = new URLSearchParams({ port: values.port ?? "1", start: values.start ?? "0" });
  const path = `/compute/v1/projects/${project}/zones/${zone}/instances/${instance}/serialPort?${query}`;
  const { contents, next } = await new LocalCloud(process.env).call<{ contents: string; next: string }>("GET", path);
  process.stdout.write(contents);
  console.error(
    `\nSpecify --start=${next} in the next get-serial-port-output invocation to get only the new output starting from here.`,
  );
  return 0;
}

async function main(given: readonly string[]): Promise<number> {
  if (given[0] === "--version" || given[0] === "version") {
    return print("Google Cloud SDK: the local cloud's gcloud (localcloud/gcloud)");
  }
  const found = Object.keys(COMMANDS).find((name) => `${given.join(" ")} `.startsWith(`${name} `));
  const command = found === undefined ? undefined : COMMANDS[found];
  if (found === undefined || !command) return googles(given);
  try {
    return await command.run(readArguments(found, given.slice(found.split(" ").length), command.flags), found);
  } catch (error) {
    if (!(error instanceof GcloudError)) throw error;
    console.error(`ERROR: (gcloud.${found.replaceAll(" ", ".")}) ${error.message}`);
    return error.code;
  }
}

/** Everything else is Google's own gcloud's, if there is one: its variables lead to the local cloud, too. */
function googles(given: readonly string[]): Promise<number> | number {
  const file = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "gcloud"))
    .find(isGoogles);
  if (file === undefined) {
    const words = given.filter((word) => !word.startsWith("-")).join(" ") || given.join(" ");
    console.error(
      `ERROR: (gcloud) Invalid choice: '${words}'. The local cloud's gcloud has ${Object.keys(COMMANDS).join(", ")} and --version; ` +
        "for everything else install Google's: https://cloud.google.com/sdk/docs/install",
    );
    return 2;
  }
  return new Promise((resolve) => {
    const child = spawn(file, given, { stdio: "inherit" });
    process.on("SIGINT", () => undefined);
    child.on("error", (error) => {
      console.error(`ERROR: (gcloud) ${file} cannot be started: ${error.message}`);
      resolve(1);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
}

function isGoogles(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    if (!statSync(file).isFile()) return false;
    return !readFileSync(file, "utf8").slice(0, 200).includes(MARK);
  } catch {
    return false;
  }
}

process.exitCode = await main(process.argv.slice(2));
// A tunnel's other end may still be open.
process.exit();
