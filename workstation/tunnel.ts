import { UserError } from "../training/errors.ts";
import { type Program, type RunningGcloud, startGcloud } from "./gcloud.ts";
import { MARK, type REMOTE_PORTS, type Target, tunnelArguments } from "./ssh.ts";
import { gcloudFailed } from "./words.ts";

export interface TunnelOptions {
  /** This computer's port. */
  port: number;
  /** What gcloud and ssh say. */
  say: (data: Buffer) => void;
}

export interface Tunnel {
  /** JupyterLab's token; empty for TensorBoard. Never written anywhere but where the user sees it. */
  token: string;
  /** Settles with an error when the tunnel ends by itself, and without one after `close`. */
  ended: Promise<UserError | undefined>;
  close(): Promise<void>;
}

/**
 * Opens a tunnel; returns when the far end is there.
 * @throws UserError if it does not come about
 */
export async function openTunnel(
  program: Program,
  target: Target,
  service: keyof typeof REMOTE_PORTS,
  { port, say }: TunnelOptions,
): Promise<Tunnel> {
  let isClosing = false;
  let heard: (word: string) => void = () => {};
  const there = new Promise<string>((resolve) => {
    heard = resolve;
  });
  const running: RunningGcloud = startGcloud(program, tunnelArguments(target, service, port), {
    stdin: "open",
    stdout: lines((line) => {
      const [, word] = new RegExp(`^${MARK} (.*)$`).exec(line) ?? [];
      if (word === undefined) say(Buffer.from(`${line}\n`));
      else heard(word.trim());
    }),
    // What they say of being ended is no news.
    stderr: (data) => !isClosing && say(data),
  });
  const what = `The tunnel to ${target.name}`;
  const ended = running.ended.then(({ code, said }) =>
    isClosing ? undefined : gcloudFailed(what, code, said, target),
  );
  const word = await Promise.race([there, ended.then((error) => Promise.reject(error))]);
  const close = async () => {
    isClosing = true;
    await running.end();
  };
  if (service === "tensorboard") return { token: "", ended, close };
  if (!/^[0-9A-Za-z_-]{16,}$/.test(word)) {
    await close();
    throw new UserError(
      `${target.name} gives no token of JupyterLab: its set-up has not come so far, or has failed. See: mlt status`,
      70,
    );
  }
  return { token: word, ended, close };
}

/** Calls with each whole line; what has no end yet waits. */
export function lines(call: (line: string) => void): (data: Buffer) => void {
  let rest = "";
  return (data) => {
    const parts = (rest + data.toString("utf8")).split(/\r?\n/);
    rest = parts.pop() ?? "";
    for (const line of parts) call(line);
  };
}
