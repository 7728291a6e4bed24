import { createInterface } from "node:readline";
import { UserError } from "../../training/errors.ts";

/**
 * Asks on the terminal; only `y` or `yes` is yes. Ctrl-C and Ctrl-D are answers, too.
 * @throws UserError where nobody can be asked
 */
export async function ask(question: string): Promise<"yes" | "no" | "interrupted"> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UserError(`${question} Nobody can be asked here (no terminal): say so with --yes.`);
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve) => {
      const left = () => {
        process.stderr.write("\n");
        resolve("interrupted");
      };
      asking.once("SIGINT", left);
      asking.once("close", left);
      asking.question(`${question} [y/N] `, (answer) => {
        asking.off("close", left);
        resolve(/^y(es)?$/i.test(answer.trim()) ? "yes" : "no");
      });
    });
  } finally {
    asking.close();
  }
}
