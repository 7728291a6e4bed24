import type { Context } from "./resource.ts";
import { isObject, type Props, text } from "./values.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1000;

/** Waits until a Compute Engine operation has ended and returns it; its error is thrown in the provider's words. */
export async function computeOperation(context: Context, started: Props, doing: string): Promise<Props> {
  const path = operationPath(started);
  let operation = started;
  const deadline = Date.now() + context.timeoutMs;
  for (let wait = FIRST_WAIT_MS; operation.status !== "DONE"; wait = Math.min(wait * 1.5, LONGEST_WAIT_MS)) {
    if (Date.now() > deadline) {
      throw new Error(
        `Error waiting for ${doing}: timeout after ${Math.round(context.timeoutMs / 1000)} s while waiting for ` +
          `operation ${text(started.name)} (last status: ${text(operation.status)})`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    operation = await context.client.get("compute", path);
  }
  const errors = isObject(operation.error) ? (operation.error.errors as Props[] | undefined) : undefined;
  if (errors?.length) {
    const lines = errors.map((error) => `${text(error.code)}: ${text(error.message)}`);
    throw new Error(`Error waiting for ${doing}: ${lines.join("\n")}`);
  }
  return operation;
}

/** Where an operation is read, relative to the compute endpoint. */
function operationPath(operation: Props): string {
  const found = /(projects\/.+)$/.exec(text(operation.selfLink));
  if (!found?.[1])
    throw new Error(`Compute Engine answered an operation without selfLink: ${JSON.stringify(operation)}`);
  return found[1];
}

/** Sends a request that starts an operation and waits for its end. */
export async function change(
  context: Context,
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  body: Props | undefined,
  doing: string,
): Promise<Props> {
  const started = await context.client.request("compute", method, path, body === undefined ? {} : { body });
  return computeOperation(context, started, doing);
}
