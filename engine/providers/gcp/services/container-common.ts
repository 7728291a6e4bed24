import type { Context } from "../resource.ts";
import { boolean, list, map, number, object, type Shape, string, strings } from "../schema.ts";
import { type Props, text } from "../values.ts";

const enabledSecureBoot: Shape = {
  enableSecureBoot: boolean({ forceNew: true, default: false }),
  enableIntegrityMonitoring: boolean({ forceNew: true, default: true }),
};

/** A node's machine, as clusters (for their first pool) and pools have it. */
export const nodeConfigShape: Shape = {
  machineType: string({ computed: true }),
  diskType: string({ computed: true }),
  diskSizeGb: number({ computed: true }),
  imageType: string({ computed: true }),
  serviceAccount: string({ forceNew: true, computed: true }),
  oauthScopes: strings({ forceNew: true, computed: true, unordered: true }),
  metadata: map({ forceNew: true, computed: true }),
  labels: map({ computed: true }),
  spot: boolean({ forceNew: true }),
  shieldedInstanceConfig: object(enabledSecureBoot, { forceNew: true, computed: true }),
  workloadMetadataConfig: object({ mode: string({ required: true }) }, { computed: true }),
  taints: list({
    key: string({ required: true }),
    value: string({ required: true }),
    effect: string({ required: true, oneOf: ["NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"] }),
  }),
  guestAccelerators: list(
    {
      type: string({ required: true, rest: "acceleratorType" }),
      count: number({ required: true, rest: "acceleratorCount", int64: true }),
      gpuDriverInstallationConfig: object({ gpuDriverVersion: string({ required: true }) }, { computed: true }),
    },
    { rest: "accelerators", forceNew: true, computed: true },
  ),
};

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1000;

/** Waits for an operation of GKE; its failure is its `statusMessage`, in the provider's words. */
export async function containerOperation(
  context: Context,
  parent: string,
  started: Props,
  doing: string,
): Promise<void> {
  const path = `${parent}/operations/${text(started.name)}`;
  const deadline = Date.now() + context.timeoutMs;
  let operation = started;
  for (let wait = FIRST_WAIT_MS; operation.status !== "DONE"; wait = Math.min(wait * 1.5, LONGEST_WAIT_MS)) {
    if (Date.now() > deadline) {
      throw new Error(
        `Error waiting for ${doing}: timeout after ${Math.round(context.timeoutMs / 1000)} s while waiting for operation ` +
          `${text(started.name)} (last status: ${text(operation.status)})`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    operation = await context.client.get("container", path);
  }
  if (operation.statusMessage) throw new Error(`Error waiting for ${doing}: ${text(operation.statusMessage)}`);
}
