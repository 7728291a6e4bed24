import { AsyncLocalStorage } from "node:async_hooks";
import * as pulumi from "@pulumi/pulumi";

// An API that was enabled a moment ago answers SERVICE_DISABLED for a minute or so, and not all of Google's servers
// change over at once: one may say yes and the next still no. Polling one method until it answers would therefore prove
// little. Instead every resource's own call is tried again while the answer is SERVICE_DISABLED: an error hook of the
// engine does it, added to all resources of the gcp provider by one transform, and `whenReady` does it for look-ups.

/** How long a newly enabled API may take. Google says "a few minutes". */
export const PATIENCE_SECONDS = 300;

const DISABLED = /SERVICE_DISABLED|accessNotConfigured|API has not been used in project .* before or it is disabled/;

export function isServiceDisabled(message: string): boolean {
  return DISABLED.test(message);
}

/** Seconds to wait before attempt `failures` + 1; `undefined`: give up. Short at first, 10 s in the end. */
export function pause(failures: number): number | undefined {
  let waited = 0;
  for (let failure = 1; failure < failures; failure += 1) waited += step(failure);
  return waited >= PATIENCE_SECONDS ? undefined : step(failures);
}

function step(failure: number): number {
  return Math.min(10, 2 ** (failure - 1));
}

const sleep = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** The engine's question after a failed operation: try again? `errors` holds all failures so far, the newest first. */
export async function retryDisabled(
  { name, errors }: Pick<pulumi.ErrorHookArgs, "name" | "errors">,
  wait: (seconds: number) => Promise<void> = sleep,
): Promise<boolean> {
  if (!isServiceDisabled(errors[0] ?? "")) return false;
  const seconds = pause(errors.length);
  if (seconds === undefined) return false;
  if (errors.length === 1) void pulumi.log.info(`${name}: waiting for its API, which was enabled a moment ago`);
  await wait(seconds);
  return true;
}

/** Adds the hook to every resource of the gcp provider. Call once, before the first resource. */
export function surviveNewApis(): void {
  // The engine calls from outside; bound to this program, its lines are shown where the program's are.
  const retry = AsyncLocalStorage.bind((args: pulumi.ErrorHookArgs) => retryDisabled(args));
  const hook = new pulumi.ErrorHook("api-enabled-a-moment-ago", retry);
  void pulumi.runtime.registerResourceTransform((args) => withHook(args, hook));
}

/** The transform by itself. */
export function withHook(
  { type, custom, props, opts }: Pick<pulumi.ResourceTransformArgs, "type" | "custom" | "props" | "opts">,
  hook: pulumi.ErrorHook,
): pulumi.ResourceTransformResult | undefined {
  if (!custom || !type.startsWith("gcp:")) return undefined;
  return { props, opts: { ...opts, hooks: { ...opts.hooks, onError: [...(opts.hooks?.onError ?? []), hook] } } };
}

/** A look-up that is repeated while its API still answers SERVICE_DISABLED. */
export async function whenReady<T>(
  look: () => Promise<T>,
  wait: (seconds: number) => Promise<void> = sleep,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await look();
    } catch (error) {
      const seconds = isServiceDisabled(error instanceof Error ? error.message : String(error))
        ? pause(failures)
        : undefined;
      if (seconds === undefined) throw error;
      await wait(seconds);
    }
  }
}
