import type { Kubectl } from "../../kubeflow/kubectl.ts";
import { type Pod, readPods, reasonOf } from "../../kubeflow/pods.ts";
import { findRun } from "../../kubeflow/runs.ts";
import { meant } from "../../training/environment.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { interruptible } from "../interrupt.ts";
import { printJson } from "../output/print.ts";
import { clusterFor, runPage, say, withPipelines } from "./session.ts";
import { short } from "./submit.ts";

export interface LogsOptions extends CommonOptions {
  follow?: boolean;
}

interface StepPod {
  /** `train`, or `train-driver` for what prepares it. */
  step: string;
  isDriver: boolean;
  pod: Pod;
}

/** The log of a run's step, or of all that ran, as Kubernetes has it: for an hour after the run's end. */
export async function logs(asked: string, step: string | undefined, options: LogsOptions): Promise<number> {
  const { kubectl } = await clusterFor(options);
  const { run_id: id } = await withPipelines(kubectl, (client) => findRun(client, asked));
  const pods = stepPods(await readPods(kubectl, `pipeline/runid=${id}`));
  if (pods.length === 0) {
    throw new UserError(
      `No pod of ${id} is there: none was made yet, every step came from the cache, or they are gone, an hour after the run's end. What the cluster archives is on the run's page: mlt kubeflow open, then ${runPage(id)}`,
    );
  }
  const chosen = step === undefined ? ownSteps(pods) : [stepNamed(pods, step, id)];
  if (options.follow) return follow(kubectl, chosen, id);
  const found: { step: string; pod: string; log: string }[] = [];
  for (const { step: name, pod } of chosen) {
    const waits = pod.status?.phase === "Pending" ? (reasonOf(pod) ?? "it is being started") : undefined;
    const log = waits ? "" : await kubectl.text(logArguments(pod), `Reading the log of ${name}`);
    if (!options.json) {
      if (chosen.length > 1) say(`${name}:`);
      process.stdout.write(log);
      if (waits) say(`${name} has not begun: ${waits}`);
    }
    found.push({ step: name, pod: pod.metadata.name, log });
  }
  if (options.json) printJson({ run: id, steps: found });
  return 0;
}

function logArguments({ metadata }: Pod, more: readonly string[] = []): string[] {
  return ["logs", metadata.name, "--container", "main", ...more];
}

/** The engine names each pod's node by its way through the pipeline: `mnist-x2b1.root.train.executor(0)`. */
function stepPods(pods: readonly Pod[]): StepPod[] {
  return pods
    .map((pod) => {
      const node = pod.metadata.annotations?.["workflows.argoproj.io/node-name"] ?? pod.metadata.name;
      const parts = node.split(".").map((part) => part.replace(/\(\d+\)$/, ""));
      const last = parts.at(-1) ?? "";
      const isExecutor = last === "executor" && parts.length > 1;
      return { step: isExecutor ? parts.at(-2)! : last, isDriver: !isExecutor, pod };
    })
    .sort((one, other) => began(one.pod).localeCompare(began(other.pod)));
}

function began({ metadata }: Pod): string {
  return `${metadata.creationTimestamp ?? ""} ${metadata.name}`;
}

/** What prepares steps is shown where nothing else is. */
function ownSteps(pods: readonly StepPod[]): StepPod[] {
  const own = pods.filter(({ isDriver }) => !isDriver);
  return own.length > 0 ? own : [...pods];
}

/** The step's newest pod: one that is tried again has several. */
function stepNamed(pods: readonly StepPod[], step: string, id: string): StepPod {
  const found = pods.findLast((each) => each.step === step);
  if (found) return found;
  const names = [...new Set(ownSteps(pods).map((each) => each.step))];
  throw new UserError(
    `Run ${id} has no pod of a step ${step}; it has ${names.join(", ")}.${meant(step, names)} A step that came from the cache has no log.`,
  );
}

async function follow(kubectl: Kubectl, pods: readonly StepPod[], id: string): Promise<number> {
  const last = pods.at(-1)!;
  if (pods.length > 1) say(`following ${last.step}, the newest of ${pods.map(({ step }) => step).join(", ")}`);
  return interruptible(async (signal) => {
    const running = kubectl.start(logArguments(last.pod, ["--follow"]), {
      stdout: (data) => process.stdout.write(data),
      stderr: (data) => process.stderr.write(data),
    });
    const stopped = () => void running.end();
    signal.addEventListener("abort", stopped, { once: true });
    const { code } = await running.ended;
    if (!signal.aborted) return code === 0 ? 0 : EXIT.failedBeforeTraining;
    say(`stopped following; ${id} goes on. Follow it: mlt kubeflow logs ${short(id)} ${last.step} --follow`);
    return EXIT.interrupted;
  });
}
