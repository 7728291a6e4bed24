import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Command, Option } from "commander";
import { type Daemon, DaemonError, daemonStatus, logFile, startDaemon, stopDaemon } from "../../localcloud/daemon.ts";
import type { GuestLevel } from "../../localcloud/guests/guest.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import { fields, printJson } from "../output/print.ts";
import { withoutNameServer } from "./nameServer.ts";
import { registerStack } from "./stack.ts";
import { clientVariables, hasProxy, REFUSING_PROXY, SHELLS, type Shell, shellLines } from "./variables.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

interface StateOption {
  state: string;
  json?: boolean;
}

interface ShellOptions extends StateOption {
  shell: Shell;
  realProvider?: boolean;
}

interface StartOptions extends ShellOptions {
  guest?: GuestLevel;
  project?: string;
  services?: string;
}

/** `mlt local …`: a Google Cloud that stays up on this machine. */
export function registerLocal(program: Command): void {
  const local = program.command("local").description("keep a Google Cloud running on this machine");
  const add = (name: string, description: string): Command =>
    local
      .command(name)
      .description(description)
      .option("--state <folder>", "where it keeps all it knows", join(repository, ".mlt", "local"));
  const printing = (command: Command): Command =>
    command
      .option("--json", "print JSON for programs")
      .addOption(new Option("--shell <name>", "whose lines to print").choices(SHELLS).default(defaultShell()))
      .option("--real-provider", "for Google's own Pulumi plugin: nothing but the local cloud can be reached", false);

  printing(add("start", "start it, and print the variables that make every client use it"))
    .addOption(
      new Option("--guest <level>", "how machines are booted (default: the most faithful way that works here)").choices(
        ["nspawn", "qemu", "process"],
      ),
    )
    .option("--project <id>", "the project's id, or several with commas between (default: local-project)")
    .option("--services <names>", "APIs that are enabled from the start: all, or names with commas between")
    .addHelpText("after", '\nIn a shell: eval "$(npx mlt local start)"')
    .action((options: StartOptions) => told(() => start(options)));
  printing(add("env", "print the variables again, for another shell")).action((options: ShellOptions) =>
    told(async () => printVariables(await running(options), options)),
  );
  add("status", "show whether it runs, and what it holds")
    .option("--json", "print JSON for programs")
    .action((options: StateOption) => told(() => status(options)));
  add("stop", "end it with its machines; what it holds stays in its folder").action((options: StateOption) =>
    told(async () => {
      const ran = await stopDaemon(resolve(options.state));
      console.error(ran ? "The local cloud has stopped." : "No local cloud runs here.");
    }),
  );
  registerStack(local);
}

async function start(options: StartOptions): Promise<void> {
  // The shell's refusal is for Pulumi's plugin; machines fetch their packages from the network.
  if (process.env.HTTPS_PROXY === REFUSING_PROXY) delete process.env.HTTPS_PROXY;
  const { daemon, started } = await startDaemon({
    stateFolder: resolve(options.state),
    guest: options.guest,
    project: options.project,
    services: options.services,
    nodeArguments: ["--import", pathToFileURL(join(repository, "cli", "typescript.js")).href],
    progress: (line) => console.error(line),
  });
  const said = started ? "The local cloud has started" : "The local cloud runs already";
  console.error(`${said}: project ${daemon.project}, guests: ${daemon.guest}, log ${logFile(resolve(options.state))}`);
  await printVariables(daemon, options);
}

async function printVariables(daemon: Daemon, { state, realProvider, json, shell }: ShellOptions): Promise<void> {
  // Where names cannot be looked up, a proxy that refuses takes nothing away.
  const refuse = realProvider || (!hasProxy(process.env) && (await withoutNameServer()));
  const variables = clientVariables(daemon, { stateFolder: resolve(state), realProvider: refuse });
  if (json) printJson({ ...daemon, variables });
  else console.log(shellLines(variables, shell));
}

async function running({ state }: StateOption): Promise<Daemon> {
  const daemon = await daemonStatus(resolve(state));
  if (!daemon) throw new UserError("No local cloud runs here. Start one: npx mlt local start");
  return daemon;
}

async function status(options: StateOption): Promise<void> {
  const daemon = await daemonStatus(resolve(options.state));
  if (!daemon) {
    if (options.json) printJson({ running: false });
    else console.log("No local cloud runs here. Start one: npx mlt local start");
    return;
  }
  const response = await fetch(`${daemon.operatorUrl}/local/v1/leftovers`);
  if (!response.ok) throw new DaemonError(`The local cloud does not say what it holds: ${await response.text()}`);
  const holds = (await response.json()) as {
    resources: Record<string, string[]>;
    softDeleted: { name: string; until: string }[];
  };
  const { token: _, ...shown } = daemon;
  if (options.json) printJson({ running: true, ...shown, holds });
  else {
    const kinds = Object.entries(holds.resources).map(([kind, names]) => [kind, names.join(", ")] as const);
    const gone = holds.softDeleted.map(({ name, until }) => `${name} until ${until}`).join(", ");
    console.log(
      fields([
        ["process", String(daemon.pid)],
        ["since", daemon.startedAt],
        ["project", daemon.project],
        ["guests", daemon.guest],
        ["with a token", daemon.url],
        ["operator", daemon.operatorUrl],
        ["metadata", daemon.metadataUrl],
        ["log", logFile(resolve(options.state))],
        ...kinds,
        ["soft-deleted", gone],
      ]),
    );
  }
}

/** What goes wrong with the process is for the user to read, not a mistake of the program. */
async function told(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    throw error instanceof DaemonError ? new UserError(error.message, EXIT.failedBeforeTraining) : error;
  }
}

function defaultShell(): Shell {
  if (process.platform === "win32") return "powershell";
  return (process.env.SHELL ?? "").endsWith("/fish") ? "fish" : "sh";
}
