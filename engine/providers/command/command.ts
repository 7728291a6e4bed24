import { randomBytes } from "node:crypto";
import { hasUnknown, isObject, type Props, sameValue, secret, text, UNKNOWN, withoutSecrets } from "../gcp/values.ts";
import type { Change, Problem } from "../protocol.ts";
import { type CommandProcess, run } from "./run.ts";

// `command:local:Command` of @pulumi/command 1.2.1: what its declarations and its published source say it does.

export const TOKEN = "command:local:Command";

/** What every command of a provider starts from. */
export interface Surroundings {
  /** Where commands without `dir` run: the folder of the Pulumi program. */
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
  log?: (line: string) => void;
  signal?: AbortSignal;
}

const INPUTS: Readonly<Record<string, "string" | "boolean" | "strings" | "map" | "any">> = {
  addPreviousOutputInEnv: "boolean",
  create: "string",
  delete: "string",
  dir: "string",
  environment: "map",
  interpreter: "strings",
  logging: "string",
  stdin: "string",
  triggers: "any",
  update: "string",
};

const LOGGING = ["stdout", "stderr", "stdoutAndStderr", "none"];

/** What is wrong with the inputs, or not made here. */
export function problemsOf(wrapped: Props): Problem[] {
  const inputs = withoutSecrets(wrapped) as Props;
  return Object.entries(inputs).flatMap(([property, value]) => {
    if (value === undefined || value === null || value === UNKNOWN) return [];
    const kind = INPUTS[property];
    if (property === "assetPaths" || property === "archivePaths") {
      return [
        { property, reason: "the attached command provider collects no files; Pulumi's own command plugin does" },
      ];
    }
    if (!kind) return [{ property, reason: `${TOKEN} has no such input; it has ${Object.keys(INPUTS).join(", ")}` }];
    const wrong = typeProblem(kind, value);
    if (wrong) return [{ property, reason: `${wrong}, got ${JSON.stringify(value)}` }];
    if (property === "logging" && !LOGGING.includes(text(value))) {
      return [{ property, reason: `expected one of ${LOGGING.join(", ")}, got ${JSON.stringify(value)}` }];
    }
    return [];
  });
}

function typeProblem(kind: string, value: unknown): string | undefined {
  const isText = (item: unknown) => typeof item === "string";
  const fits = {
    string: isText(value),
    boolean: typeof value === "boolean",
    strings: Array.isArray(value) && value.every(isText),
    map: isObject(value) && Object.values(value).every(isText),
    any: Array.isArray(value),
  }[kind];
  const words: Record<string, string> = {
    string: "a text",
    boolean: "true or false",
    strings: "a list of texts",
    map: "texts by name",
    any: "a list",
  };
  return fits ? undefined : `expected ${words[kind]}`;
}

/** Every input counts; `triggers` alone need a new resource. What is secret and what is not are the same value. */
export function changesOf(oldInputs: Props, newInputs: Props): Change[] {
  const [olds, news] = [withoutSecrets(oldInputs) as Props, withoutSecrets(newInputs) as Props];
  return Object.keys(INPUTS).flatMap((name) =>
    valueChanges(name, olds[name] ?? undefined, news[name] ?? undefined, name === "triggers"),
  );
}

function valueChanges(path: string, left: unknown, right: unknown, replace: boolean): Change[] {
  if (sameValue(left, right)) return [];
  if (left === undefined) return [{ path, kind: "add", replace }];
  if (right === undefined) return [{ path, kind: "delete", replace }];
  if (Array.isArray(left) && Array.isArray(right)) {
    return Array.from({ length: Math.max(left.length, right.length) }).flatMap((_, index) =>
      valueChanges(`${path}[${index}]`, left[index], right[index], replace),
    );
  }
  if (isObject(left) && isObject(right)) {
    return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) =>
      valueChanges(`${path}${/^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `["${key}"]`}`, left[key], right[key], replace),
    );
  }
  return [{ path, kind: "update", replace }];
}

/** Runs `create`, if there is one. */
export async function create(
  name: string,
  inputs: Props,
  surroundings: Surroundings,
): Promise<{ id: string; outputs: Props }> {
  const id = `${name}${randomBytes(4).toString("hex")}`;
  const outputs = await execute(inputs.create, inputs, {}, surroundings);
  return { id, outputs: { ...inputs, ...outputs } };
}

/** Any change runs `update`, or `create` where there is none. */
export async function update(oldOutputs: Props, inputs: Props, surroundings: Surroundings): Promise<Props> {
  const outputs = await execute(inputs.update ?? inputs.create, inputs, written(oldOutputs), surroundings);
  return { ...inputs, ...outputs };
}

export async function remove(outputs: Props, surroundings: Surroundings): Promise<void> {
  if (outputs.delete === undefined || outputs.delete === null) return;
  await execute(outputs.delete, outputs, written(outputs), surroundings);
}

/** What a preview can say: the inputs, and that the outputs are not known. */
export function previewed(inputs: Props): Props {
  return { ...inputs, ...wrapLike(inputs, { stdout: UNKNOWN, stderr: UNKNOWN }) };
}

function written({ stdout, stderr }: Props): Props {
  return { stdout, stderr };
}

async function execute(command: unknown, wrapped: Props, previous: Props, around: Surroundings): Promise<Props> {
  if (command === undefined || command === null) return previous;
  const inputs = withoutSecrets(wrapped) as Props;
  if (hasUnknown(inputs)) throw new Error("a command cannot run before all of its inputs are known");
  const last = withoutSecrets(previous) as Props;
  const { interpreter, dir, environment, stdin, logging } = inputs;
  const process: CommandProcess = {
    command: text(withoutSecrets(command)),
    folder: dir === undefined ? around.folder : text(dir),
    environment: {
      ...around.environment,
      ...(environment as Record<string, string> | undefined),
      ...(inputs.addPreviousOutputInEnv === false ? {} : previousOutput(last)),
    },
  };
  if (interpreter !== undefined) process.interpreter = interpreter as string[];
  if (stdin !== undefined) process.stdin = text(stdin);
  if (around.signal) process.signal = around.signal;
  process.onLine = (line, stream) => {
    if (logging === undefined || logging === "stdoutAndStderr" || logging === stream) around.log?.(line);
  };
  return wrapLike(wrapped, { ...(await run(process)) });
}

function previousOutput({ stdout, stderr }: Props): Record<string, string> {
  const variables: Record<string, string> = {};
  if (text(stdout) !== "") variables.PULUMI_COMMAND_STDOUT = text(stdout);
  if (text(stderr) !== "") variables.PULUMI_COMMAND_STDERR = text(stderr);
  return variables;
}

/** What comes of a secret is one: every output depends on every input. */
function wrapLike(inputs: Props, outputs: Props): Props {
  if (sameValue(inputs, withoutSecrets(inputs))) return outputs;
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, secret(value)]));
}
