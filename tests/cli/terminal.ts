// `mlt` as a person at a terminal sees it: in a real pseudo terminal, which Python's standard library makes.
import { spawn, spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { Workbench } from "./workbench.ts";

const HELPER = fileURLToPath(new URL("terminal.py", import.meta.url));
const MLT = fileURLToPath(new URL("../../cli/mlt.js", import.meta.url));

export const CTRL_C = "\u0003";
export const CTRL_D = "\u0004";

export interface Step {
  /** A regular expression over what was printed since the last step. */
  wait: string;
  type: string;
}

export interface Session {
  code: number;
  /** All that was printed, line ends as on other screens. */
  output: string;
  /** Steps whose text never came. */
  left: string[];
}

export function noTerminal(t: TestContext): boolean {
  const python = process.env.PYTHON ?? "python3";
  const found = process.platform !== "win32" && spawnSync(python, ["-c", "import pty"]).status === 0;
  if (!found) t.skip("no pseudo terminal here: it is made by python3 on Linux and macOS");
  return !found;
}

export function inTerminal(
  bench: Pick<Workbench, "folder" | "env">,
  args: readonly string[],
  options: { steps?: Step[]; columns?: number; env?: Record<string, string | undefined> } = {},
): Promise<Session> {
  const { steps = [], columns = 80 } = options;
  const order = JSON.stringify({ argv: [process.execPath, MLT, ...args], steps, columns, seconds: 60 });
  return new Promise((resolve, reject) => {
    const child = spawn(process.env.PYTHON ?? "python3", [HELPER, order], {
      cwd: bench.folder,
      env: { ...process.env, TERM: "xterm", ...bench.env, ...options.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.once("error", reject);
    child.once("close", () => {
      const session = JSON.parse(text) as Session;
      resolve({ ...session, output: session.output.replaceAll("\r\n", "\n") });
    });
  });
}
