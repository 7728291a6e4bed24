import { EXIT, pausing, UserError } from "../../training/errors.ts";
import { freePort } from "../../workstation/ports.ts";
import { shownLine } from "../../workstation/quote.ts";
import { REMOTE_PORTS, tunnelArguments } from "../../workstation/ssh.ts";
import { openTunnel, type Tunnel } from "../../workstation/tunnel.ts";
import { printJson } from "../output/print.ts";
import { type ConnectOptions, openSession, passOn, say } from "./session.ts";

interface TunnelOptions extends ConnectOptions {
  port?: number;
}

const NAMES = { jupyter: "JupyterLab", tensorboard: "TensorBoard" } as const;
/** What listens there answers at once; what has just been started, a little later. */
const ANSWER_MS = 15_000;

/** Leads a port of this computer to JupyterLab or TensorBoard until Ctrl-C; prints the address. */
export async function tunnel(service: keyof typeof REMOTE_PORTS, options: TunnelOptions): Promise<number> {
  const stop = new AbortController();
  const interrupted = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupted);
  // Before anything is started: a port that is taken would be found out minutes later.
  const usual = REMOTE_PORTS[service];
  if (options.port !== undefined) await freePort(usual, options.port);
  let open: Tunnel | undefined;
  try {
    const session = await openSession(options, service, stop.signal);
    if (!session) return Number(process.exitCode);
    const { program, target } = session;
    const port = await freePort(usual, options.port);
    console.error(`+ ${shownLine(["gcloud", ...tunnelArguments(target, service, port)])}`);
    const opening = openTunnel(program, target, service, { port, say: passOn });
    open = await orStopped(opening, stop.signal);
    const address = `http://127.0.0.1:${port}`;
    if (!(await answers(`${address}/`, stop.signal))) {
      say(`${NAMES[service]} does not answer yet; the tunnel stays open. See: mlt status`);
    }
    const url = service === "jupyter" ? `${address}/lab?token=${open.token}` : `${address}/`;
    if (options.json) printJson({ url, port, ...(open.token ? { token: open.token } : {}), machine: target.name });
    else console.log(url);
    say(`Ctrl-C closes the tunnel; ${NAMES[service]} goes on, ${target.name} too until it is idle`);
    const error = await Promise.race([open.ended, aborted(stop.signal)]);
    if (error) throw error;
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    throw error;
  } finally {
    await open?.close();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, interrupted);
  }
}

/** A tunnel that was given up while it was being opened is closed when it is there. */
async function orStopped(opening: Promise<Tunnel>, signal: AbortSignal): Promise<Tunnel> {
  const first = await Promise.race([opening, aborted(signal)]);
  if (first) return first;
  await Promise.race([opening.then((late) => late.close()).catch(() => undefined), pausing(3000)]);
  throw new UserError("stopped", EXIT.interrupted);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

/** Whether something speaks HTTP there; a refusal is an answer, too. */
async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  const end = Date.now() + ANSWER_MS;
  while (Date.now() < end && !signal.aborted) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(5000)]);
    const answer = await fetch(url, { signal: limit, redirect: "manual" }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer) return true;
    await pausing(300);
  }
  return signal.aborted;
}
