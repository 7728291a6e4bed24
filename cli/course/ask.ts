import { createInterface } from "node:readline";
import { UserError } from "../../training/errors.ts";

/** A question to the person at the terminal; yes without asking where `--yes` was given. */
export async function agreed(question: string, { yes }: { yes?: boolean }): Promise<boolean> {
  if (yes) return true;
  if (!canAsk()) throw new UserError(`Nobody can be asked here (no terminal): ${question.trim()} Say so with --yes.`);
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve) => {
      const left = () => resolve(false);
      asking.once("SIGINT", left);
      asking.once("close", left);
      asking.question(`${question} [y/N] `, (answer) => {
        asking.off("close", left);
        resolve(/^y(es)?$/i.test(answer.trim()));
      });
    });
  } finally {
    asking.close();
  }
}

/** Whether somebody sits at a terminal. */
export function canAsk(): boolean {
  return Boolean(process.stdin.isTTY && process.stderr.isTTY);
}
