import { accessTo } from "../../kubeflow/access.ts";
import { PipelinesClient } from "../../kubeflow/client.ts";
import { Kubectl } from "../../kubeflow/kubectl.ts";
import { openPortForward, type PortForward } from "../../kubeflow/portForward.ts";
import type { Environment } from "../../training/contract.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";

export function say(line: string): void {
  console.error(`mlt: ${line}`);
}

/** kubectl for the environment's cluster. */
export async function clusterFor(options: CommonOptions): Promise<{ environment: Environment; kubectl: Kubectl }> {
  const environment = await environmentFor(options);
  return { environment, kubectl: new Kubectl(accessTo(environment)) };
}

/** Where Kubeflow Pipelines' API server and its page listen in the cluster. */
export const API = { service: "ml-pipeline", remote: 8888 } as const;
export const PAGE = { service: "ml-pipeline-ui", remote: 80 } as const;

/** Works with Kubeflow Pipelines by way of a port that is closed afterwards. */
export async function withPipelines<T>(kubectl: Kubectl, work: (client: PipelinesClient) => Promise<T>): Promise<T> {
  const way = await openPortForward(kubectl, API);
  try {
    return await work(clientBy(way));
  } finally {
    await way.close();
  }
}

export function clientBy({ port }: PortForward): PipelinesClient {
  return new PipelinesClient(`http://127.0.0.1:${port}`);
}

/** How a run's page is reached once `mlt kubeflow open` leads there. */
export function runPage(id: string): string {
  return `/#/runs/details/${id}`;
}
