import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";

/** What an engine said while it worked on one stack. */
export class EngineLog {
  /** How many resources by what happened to them: `create`, `same`, `update`, `delete`, … */
  changes: Partial<Record<string, number>> = {};
  /** The stack's outputs, once the program has ended. */
  outputs: Record<string, unknown> | undefined;
  /** In Pulumi's words, without colours and stack traces, the first first. */
  readonly errors: string[] = [];
  readonly #onStep: (step: string) => void;

  /** @param onStep what is being done, as `create Bucket ml26-s001-data` */
  constructor(onStep: (step: string) => void = () => undefined) {
    this.#onStep = onStep;
  }

  /** For the Automation API's `onEvent`. */
  readonly note = (event: EngineEvent): void => {
    const started = event.resourcePreEvent?.metadata;
    if (started && started.op !== "same") {
      const kind = started.type.split(":").at(-1);
      if (kind !== "Stack") this.#onStep(`${started.op} ${kind} ${started.urn.split("::").at(-1)}`);
    }
    const done = event.resOutputsEvent?.metadata;
    if (done?.type === "pulumi:pulumi:Stack" && done.new?.outputs) this.outputs = done.new.outputs;
    if (event.summaryEvent) this.changes = { ...event.summaryEvent.resourceChanges };
    const diagnostic = event.diagnosticEvent;
    if (diagnostic?.severity !== "error") return;
    const message = clean(diagnostic.message);
    // Pulumi repeats every resource's failure as "update failed".
    if (!message || /^(update|preview|destroy|refresh|resource) failed/.test(message)) return;
    const name = diagnostic.urn?.split("::").slice(2).join(" ");
    this.errors.push(name && !name.includes("pulumi:pulumi:Stack") ? `${name}: ${message}` : message);
  };
}

/** Pulumi's text without colours, prefixes and stack traces. */
export function clean(message: string): string {
  return message
    .replaceAll(/<\{%[^%]*%\}>/g, "")
    .replace(/^(error: )+/i, "")
    .replaceAll(/\n\s+at .+/g, "")
    .replace(/^Running program .* failed with an unhandled exception:\n(<ref \*1> )?(\w*Error: )?/s, "")
    .trim();
}

/** A failure's lines where the engine sent no event: what the CLI printed. */
export function errorLines(text: string): string[] {
  const lines = [...text.matchAll(/^\s*(?:stderr: )?error: (.+)$/gm)].map(([, line]) => clean(line ?? ""));
  return lines.length > 0 ? lines : [clean(text)];
}
