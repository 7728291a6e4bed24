import type { Kubectl } from "../../kubeflow/kubectl.ts";
import { openPortForward, type PortForward } from "../../kubeflow/portForward.ts";
import { readServed, servedAs } from "../../kubeflow/served.ts";
import { meant } from "../../training/environment.ts";
import { EXIT, pausing, UserError } from "../../training/errors.ts";
import { freePort } from "../../workstation/ports.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { printJson } from "../output/print.ts";
import { clusterFor, PAGE, say } from "./session.ts";

export interface OpenOptions extends CommonOptions {
  port?: number;
}

const NAMES = { pipelines: "Kubeflow Pipelines", "web-ui": "the web-ui" } as const;
type What = keyof typeof NAMES;
/** The usual ports on this computer; where they are taken, the next that is free. */
const USUAL: Readonly<Record<What, number>> = { pipelines: 8080, "web-ui": 8090 };
/** A way that broke sooner than this after it was opened would break again. */
const STEADY_MS = 5000;

/** Leads a port of this computer to Kubeflow's page or to a pipeline's, until Ctrl-C; prints the address. */
export async function open(asked: string, options: OpenOptions): Promise<number> {
  const what = whatOf(asked);
  const stop = new AbortController();
  const interrupted = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupted);
  try {
    // A port that is taken is told before anything is asked.
    if (options.port !== undefined) await freePort(USUAL[what], options.port);
    const { kubectl } = await clusterFor(options);
    const far = what === "pipelines" ? PAGE : await pageOf(kubectl);
    const port = await freePort(USUAL[what], options.port);
    return await keepOpen(kubectl, { what, far, port }, options, stop.signal);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, interrupted);
  }
}

function whatOf(asked: string): What {
  if (Object.hasOwn(NAMES, asked)) return asked as What;
  throw new UserError(`mlt kubeflow open takes pipelines or web-ui; got ${asked}.${meant(asked, Object.keys(NAMES))}`);
}

async function pageOf(kubectl: Kubectl): Promise<{ service: string; remote: number }> {
  const page = servedAs(await readServed(kubectl), "web-ui");
  if (!page) {
    throw new UserError(
      "No pipeline has put a web-ui into the cluster, or it was removed. A run of examples/mnist-pipeline does: mlt kubeflow submit pipeline.yaml",
    );
  }
  if (page.ready === 0) say(`${page.name} does not run yet. What does not start, and why: mlt kubeflow status`);
  return { service: page.name, remote: 80 };
}

interface Wanted {
  what: What;
  far: { service: string; remote: number };
  port: number;
}

async function keepOpen(kubectl: Kubectl, wanted: Wanted, options: OpenOptions, signal: AbortSignal): Promise<number> {
  const { what, far, port } = wanted;
  const url = `http://127.0.0.1:${port}/`;
  for (let round = 0; !signal.aborted; round += 1) {
    const way = await orStopped(openPortForward(kubectl, { ...far, port }), signal);
    if (!way) break;
    const since = Date.now();
    if (round === 0) {
      if (options.json) printJson({ url, port, service: far.service });
      else console.log(url);
      say(`Ctrl-C closes the way to ${NAMES[what]}; what runs in the cluster goes on`);
    }
    const error = await Promise.race([way.ended, aborted(signal)]);
    await way.close();
    if (!error) break;
    // A pod that is made anew takes the way with it.
    if (Date.now() - since < STEADY_MS) throw error;
    say(`the way to ${NAMES[what]} broke; opening it again`);
    await pausing(1000, signal);
  }
  return 0;
}

/** A way that was given up while it was being opened is closed when it is there. */
async function orStopped(opening: Promise<PortForward>, signal: AbortSignal): Promise<PortForward | undefined> {
  const first = await Promise.race([opening, aborted(signal)]);
  if (!first) await Promise.race([opening.then((late) => late.close()).catch(() => undefined), pausing(3000)]);
  return first;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
