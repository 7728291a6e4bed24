import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import { UserError } from "../training/errors.ts";
import { fileError } from "../training/files.ts";

/** The types of a pipeline's parameters, as the compiler writes them. */
export type ParameterType = "NUMBER_INTEGER" | "NUMBER_DOUBLE" | "STRING" | "BOOLEAN" | "LIST" | "STRUCT";

export interface Parameter {
  type: ParameterType | string;
  /** Absent: none. */
  defaultValue?: unknown;
  isOptional: boolean;
  /** The only values that it may have; absent: any. */
  literals?: unknown[];
}

/** A compiled pipeline. */
export interface PipelineFile {
  name: string;
  parameters: Record<string, Parameter>;
  /** Where the pipeline itself says that artefacts go; absent: where the cluster says. */
  pipelineRoot?: string;
  /** The first document, as the server takes it. */
  spec: Record<string, unknown>;
  /** The second document: what is particular to Kubernetes; absent: none. */
  platformSpec?: Record<string, unknown>;
}

const COMPILE = "Compile it with KFP's SDK 2: compiler.Compiler().compile(pipeline, 'pipeline.yaml')";
const LARGEST = 10 * 1024 * 1024;

/** @throws UserError for a file that cannot be read or is no compiled pipeline */
export async function readPipelineFile(file: string): Promise<PipelineFile> {
  let text: string;
  try {
    const data = await readFile(file);
    if (data.length > LARGEST)
      throw new UserError(`${file} is larger than a compiled pipeline can be (${LARGEST} bytes).`);
    text = data.toString("utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new UserError(`There is no ${file} on this computer.`);
    throw error instanceof UserError ? error : fileError(error, `Reading ${file}`);
  }
  if (/\.(tar\.gz|tgz|zip)$/i.test(file) || text.includes("\u0000")) {
    throw new UserError(`${file} is a packed pipeline; mlt takes the compiled YAML itself. ${COMPILE}`);
  }
  if (/\.py$/i.test(file)) throw new UserError(`${file} is a pipeline's source. ${COMPILE}`);
  return pipelineOf(text, file);
}

/** @throws UserError */
export function pipelineOf(text: string, file: string): PipelineFile {
  const documents = parseAllDocuments(text);
  const values: unknown[] = [];
  for (const document of "empty" in documents ? [] : documents) {
    const [error] = document.errors;
    if (error) throw new UserError(`${file} is no YAML: ${error.message.split("\n")[0]}`);
    const value = document.toJS({ maxAliasCount: 100 }) as unknown;
    if (value !== null && value !== undefined) values.push(value);
  }
  const problem = problemOf(values);
  if (problem) throw new UserError(`${file} is no compiled pipeline: ${problem}`);
  const [spec, platformSpec] = values as Record<string, unknown>[];
  const { pipelineInfo, root, defaultPipelineRoot } = spec as {
    pipelineInfo: { name: string };
    root: { inputDefinitions?: { parameters?: Record<string, Record<string, unknown>> } };
    defaultPipelineRoot?: string;
  };
  const parameters = Object.entries(root.inputDefinitions?.parameters ?? {}).map(([name, definition]) => {
    const { parameterType, defaultValue, isOptional, literals } = definition;
    const parameter: Parameter = {
      type: String(parameterType),
      isOptional: isOptional === true,
      ...(defaultValue === undefined ? {} : { defaultValue }),
      ...(Array.isArray(literals) ? { literals } : {}),
    };
    return [name, parameter] as const;
  });
  return {
    name: pipelineInfo.name,
    parameters: Object.fromEntries(parameters),
    ...(typeof defaultPipelineRoot === "string" ? { pipelineRoot: defaultPipelineRoot } : {}),
    spec: spec!,
    ...(platformSpec ? { platformSpec } : {}),
  };
}

function problemOf(values: readonly unknown[]): string | undefined {
  const [spec, platform] = values;
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(spec)) return `it holds no object. ${COMPILE}`;
  if (spec.kind === "Workflow" || typeof spec.apiVersion === "string") {
    return `it is ${spec.kind === "Workflow" ? "an Argo workflow, as version 1 of KFP compiled it" : "a Kubernetes object"}. ${COMPILE}`;
  }
  const missing = ["schemaVersion", "pipelineInfo", "root", "deploymentSpec"].filter((key) => spec[key] === undefined);
  if (missing.length > 0) return `it lacks ${missing.join(", ")}. ${COMPILE}`;
  if (spec.schemaVersion !== "2.1.0") {
    return `it has schema version ${JSON.stringify(spec.schemaVersion)}; Kubeflow Pipelines takes "2.1.0". ${COMPILE}`;
  }
  if (!isObject(spec.pipelineInfo) || typeof spec.pipelineInfo.name !== "string")
    return "its pipelineInfo has no name.";
  if (!isObject(spec.root)) return "its root is no object.";
  if (values.length > 2)
    return `it has ${values.length} documents; a pipeline has one, and one for Kubernetes at most.`;
  if (platform !== undefined && (!isObject(platform) || !isObject(platform.platforms))) {
    return "its second document has no platforms.";
  }
  return undefined;
}

/** What is sent as `pipeline_spec`; `cached: false` turns the cache off for each of its steps. */
export function sentSpec({ spec, platformSpec }: PipelineFile, cached = true): Record<string, unknown> {
  const sent = cached ? spec : withoutCache(spec);
  return platformSpec ? { pipeline_spec: sent, platform_spec: platformSpec } : sent;
}

interface Dag {
  dag?: { tasks?: Record<string, Record<string, unknown>> };
}

function withoutCache(spec: Record<string, unknown>): Record<string, unknown> {
  const copy = structuredClone(spec) as { root: Dag; components?: Record<string, Dag> };
  for (const part of [copy.root, ...Object.values(copy.components ?? {})]) {
    for (const task of Object.values(part.dag?.tasks ?? {})) task.cachingOptions = {};
  }
  return copy as unknown as Record<string, unknown>;
}
