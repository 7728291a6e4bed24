import type { UserError } from "../training/errors.ts";
import { lines } from "../workstation/tunnel.ts";
import type { Kubectl, RunningKubectl } from "./kubectl.ts";
import { kubectlFailed } from "./words.ts";

/** A way from this computer's loopback to a Service in the cluster. */
export interface PortForward {
  port: number;
  /** Settles with an error when it ends by itself, and without one after `close`. */
  ended: Promise<UserError | undefined>;
  close(): Promise<void>;
}

/** Arguments of kubectl; port 0 lets it choose a free one. */
export function forwardArguments(service: string, remote: number, port: number): string[] {
  return ["port-forward", "--address", "127.0.0.1", `service/${service}`, `${port === 0 ? "" : port}:${remote}`];
}

/**
 * Opens the way; returns when it is there.
 * @throws UserError if it does not come about
 */
export async function openPortForward(
  kubectl: Kubectl,
  { service, remote, port = 0 }: { service: string; remote: number; port?: number },
): Promise<PortForward> {
  const doing = `The way to ${service}`;
  let isClosing = false;
  const attempt = async () => {
    let heard: (port: number) => void = () => {};
    const there = new Promise<number>((resolve) => {
      heard = resolve;
    });
    const running: RunningKubectl = kubectl.start(forwardArguments(service, remote, port), {
      stdout: lines((line) => {
        const [, local] = /^Forwarding from 127\.0\.0\.1:(\d+) -> /.exec(line) ?? [];
        if (local) heard(Number(local));
      }),
    });
    const first = await Promise.race([there, running.ended]);
    if (typeof first !== "number") return { ...first, failed: true, running, port: 0 };
    return { code: 0, said: "", running, port: first };
  };
  const { running, port: local } = await kubectl.reaching(attempt, doing);
  const ended = running.ended.then(({ said, code }) =>
    isClosing ? undefined : kubectlFailed(doing, said, code, kubectl.access),
  );
  return {
    port: local,
    ended,
    async close() {
      isClosing = true;
      await running.end();
    },
  };
}
