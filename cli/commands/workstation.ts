import { type CommonOptions, counting, port, type Tools } from "./tools.ts";

type Options = CommonOptions & { yes?: boolean };

/** `ssh`, `jupyter`, `tensorboard`, `exec`, `cp`, `serial`, `start`, `stop`. */
export function workstationCommands({ add, withEnvironment, ends, rest }: Tools): void {
  const connecting = (usage: string, description: string) =>
    withEnvironment(add(usage, description)).option(
      "-y, --yes",
      "start the workstation if it is stopped, without asking",
    );

  connecting("ssh [run]", "a shell on the workstation, or on the machine of a run that trains or was kept")
    .usage("[options] [run] [-- command]")
    .action(
      ends(async (run: string | undefined, options: Options) =>
        (await import("../workstation/ssh.ts")).ssh(run, rest, options),
      ),
    );
  for (const [service, name] of [
    ["jupyter", "JupyterLab"],
    ["tensorboard", "TensorBoard"],
  ] as const) {
    connecting(service, `open the workstation's ${name} on this computer, until Ctrl-C; prints its address`)
      .option("--port <port>", "this computer's port (else the usual one, or the next that is free)", port)
      .action(
        ends(async (options: Options & { port?: number }) =>
          (await import("../workstation/tunnel.ts")).tunnel(service, options),
        ),
      );
  }
  connecting("exec [action] [id]", "run a command in the background on the workstation; list | logs ID | stop ID")
    .usage("[options] -- command | list | logs <id> | stop <id>")
    .option("-f, --follow", "print its log until it ends, and end with its exit code")
    .option("--cwd <folder>", "the folder there that it runs in (else /home/ml)")
    .option("--limit <count>", "with list: how many", counting, 20)
    .action(
      ends(
        async (
          action: string | undefined,
          id: string | undefined,
          options: Options & { follow?: boolean; cwd?: string; limit: number },
        ) => (await import("../workstation/exec.ts")).exec(action, id, rest, options),
      ),
    );
  connecting("cp <from> <to>", "copy a file or folder to the workstation, or from there: its side begins with a colon")
    .usage("[options] LOCAL :REMOTE | :REMOTE LOCAL")
    .action(
      ends(async (from: string, to: string, options: Options) =>
        (await import("../workstation/cp.ts")).cp(from, to, options),
      ),
    );
  withEnvironment(add("serial", "the workstation's console, where nothing else answers"))
    .option("-f, --follow", "go on until Ctrl-C")
    .action(
      ends(async (options: CommonOptions & { follow?: boolean }) =>
        (await import("../workstation/serial.ts")).serial(options),
      ),
    );
  withEnvironment(add("start", "start the workstation")).action(
    ends(async (options: CommonOptions) => (await import("../workstation/power.ts")).start(options)),
  );
  withEnvironment(add("stop", "stop the workstation; says what its disks go on costing")).action(
    ends(async (options: CommonOptions) => (await import("../workstation/power.ts")).stop(options)),
  );
}
