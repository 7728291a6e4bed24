// A stand-in for Kubeflow Pipelines' API server: runs in memory, and refusals as release 2.17.0 has them (read in its
// sources): unknown fields and sort orders, a run without a name, a pipeline that it does not take, parameters of
// another type, parameters that the pipeline has not.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { NewRun, PipelineRun, TaskDetail } from "../../kubeflow/client.ts";

export interface PipelinesServer {
  port: number;
  runs: PipelineRun[];
  /** What was asked: `POST /apis/v2beta1/runs`. */
  asked: string[];
  /** Changes a run as the engine would. */
  set(id: string, change: Partial<PipelineRun>, tasks?: TaskDetail[]): void;
  /** Leaves a run that somebody started before. */
  leave(change: Partial<PipelineRun> & { display_name: string }, tasks?: TaskDetail[]): PipelineRun;
  /** How many of the next calls are answered with 503. */
  down: number;
  /** Called after each answer to a look at one run. */
  onLook?: (run: PipelineRun, looks: number) => void;
  close(): void;
}

class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const invalid = (message: string) => new Refusal(400, 3, `Failed to create a new run: InvalidInputError: ${message}`);
const INPUTS = [
  "experiment_id",
  "display_name",
  "description",
  "pipeline_spec",
  "pipeline_version_reference",
  "runtime_config",
  "service_account",
  "plugins_input",
];
const SORTS = ["run_id", "display_name", "created_at", "finished_at", "state", "experiment_id", "description"];

interface Spec {
  schemaVersion?: string;
  pipelineInfo?: { name?: string };
  root?: {
    inputDefinitions?: {
      parameters?: Record<string, { parameterType: string; isOptional?: boolean; defaultValue?: unknown }>;
    };
  };
}

function checkRun(body: Record<string, unknown>): NewRun {
  for (const key of Object.keys(body)) {
    if (!INPUTS.includes(key)) throw new Refusal(400, 3, `proto: (line 1:2): unknown field "${key}"`);
  }
  const run = body as unknown as NewRun;
  if (typeof run.display_name !== "string" || run.display_name === "") {
    throw new Refusal(500, 13, "Failed to convert a API run: InternalServerError: Run name cannot be empty");
  }
  const given = run.pipeline_spec as (Spec & { pipeline_spec?: Spec; platform_spec?: unknown }) | undefined;
  const spec = given?.pipeline_spec ?? given;
  if (!spec) throw invalid("Failed to fetch a template with an invalid pipeline spec manifest");
  if (spec.schemaVersion !== "2.1.0") {
    throw invalid(
      `KFP only supports schema version 2.1.0, but the pipeline spec has version ${spec.schemaVersion ?? ""}`,
    );
  }
  if (!spec.pipelineInfo?.name) throw invalid("invalid v2 pipeline spec: name is empty");
  if (!spec.root) throw invalid("invalid v2 pipeline spec: root component is empty");
  const wanted = spec.root.inputDefinitions?.parameters ?? {};
  for (const key of Object.keys(run.runtime_config ?? {})) {
    if (!["parameters", "pipeline_root"].includes(key)) throw new Refusal(400, 3, `proto: unknown field "${key}"`);
  }
  const parameters = run.runtime_config?.parameters ?? {};
  const kinds: Record<string, (value: unknown) => boolean> = {
    NUMBER_DOUBLE: (value) => typeof value === "number",
    NUMBER_INTEGER: (value) => typeof value === "number",
    STRING: (value) => typeof value === "string",
    BOOLEAN: (value) => typeof value === "boolean",
    LIST: Array.isArray,
    STRUCT: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  };
  for (const [name, { parameterType, isOptional, defaultValue }] of Object.entries(wanted)) {
    if (!(name in parameters)) {
      if (isOptional || defaultValue !== undefined) continue;
      throw invalid(`parameter ${name} is not optional, yet has neither default value nor user provided value`);
    }
    if (!kinds[parameterType]?.(parameters[name])) throw invalid(`input parameter ${name} requires ${parameterType}`);
  }
  const extra = Object.keys(parameters).filter((name) => !(name in wanted));
  if (extra.length > 0) throw invalid(`parameter(s) provided are not required by pipeline: ${extra.join(", ")}`);
  return run;
}

export async function openPipelinesServer(): Promise<PipelinesServer> {
  const runs: PipelineRun[] = [];
  const looks = new Map<string, number>();
  const find = (id: string) => {
    const run = runs.find(({ run_id }) => run_id === id);
    if (!run) throw new Refusal(404, 5, `Failed to get a run: ResourceNotFoundError: Run ${id} not found`);
    return run;
  };
  const leave = (change: Partial<PipelineRun> & { display_name: string }, tasks?: TaskDetail[]): PipelineRun => {
    const run: PipelineRun = {
      run_id: randomUUID(),
      state: "PENDING",
      created_at: new Date().toISOString().replace(/\.\d+/, ""),
      finished_at: "1970-01-01T00:00:00Z",
      ...change,
      ...(tasks ? { run_details: { task_details: tasks } } : {}),
    };
    runs.unshift(run);
    return run;
  };
  const list = (query: URLSearchParams) => {
    for (const key of query.keys()) {
      if (!["page_token", "page_size", "sort_by", "filter", "namespace", "experiment_id"].includes(key)) {
        throw new Refusal(400, 3, `unknown query parameter ${key}`);
      }
    }
    const [field = "created_at", direction = "asc", more] = (query.get("sort_by") ?? "").toLowerCase().split(" ");
    if (more !== undefined || !["asc", "desc"].includes(direction)) throw invalid("Received invalid sort by format");
    if (!SORTS.includes(field)) throw invalid(`Invalid sorting field: "${field}" on listable type Run`);
    const size = Math.min(Number(query.get("page_size") ?? 20), 200);
    if (!Number.isInteger(size) || size < 0) throw invalid("The page size should be greater than 0");
    const sorted = direction === "desc" ? runs : runs.toReversed();
    const from = Number(query.get("page_token") ?? 0);
    const page = sorted.slice(from, from + size);
    // Lists come without what each step did.
    const shown = page.map(({ run_details: _details, ...run }) => run);
    const next = from + size < runs.length ? { next_page_token: String(from + size) } : {};
    return { ...(shown.length > 0 ? { runs: shown } : {}), total_size: runs.length, ...next };
  };
  const answer = async (request: IncomingMessage): Promise<unknown> => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const url = new URL(request.url!, "http://127.0.0.1");
    server.asked.push(`${request.method} ${url.pathname}`);
    if (server.down > 0) {
      server.down -= 1;
      throw new Refusal(503, 14, "upstream connect error");
    }
    const [, id, verb] = /^\/apis\/v2beta1\/runs(?:\/([^/:]+)(?::(\w+))?)?$/.exec(url.pathname) ?? [];
    if (!url.pathname.startsWith("/apis/v2beta1/runs")) throw new Refusal(404, 5, "Not Found");
    const asked = `${request.method}${id ? " one" : ""}${verb ? ` ${verb}` : ""}`;
    if (asked === "GET") return list(url.searchParams);
    if (asked === "GET one") {
      const run = structuredClone(find(id!));
      looks.set(id!, (looks.get(id!) ?? 0) + 1);
      setImmediate(() => server.onLook?.(run, looks.get(id!)!));
      return run;
    }
    if (asked === "DELETE one") return runs.splice(runs.indexOf(find(id!)), 1).length > 0 ? {} : undefined;
    if (asked === "POST one terminate") {
      find(id!).state = "CANCELING";
      return {};
    }
    if (asked !== "POST") throw new Refusal(501, 12, "Method Not Allowed");
    const { display_name, pipeline_spec, runtime_config } = checkRun(JSON.parse(text) as Record<string, unknown>);
    return leave({ display_name, pipeline_spec, runtime_config });
  };
  const http = createServer((request, response) => {
    const send = (status: number, value: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    answer(request).then(
      (value) => send(200, value),
      (error: Refusal) =>
        send(error.status ?? 500, { error: error.message, code: error.code, message: error.message, details: [] }),
    );
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => http.once("listening", resolve));
  const server: PipelinesServer = {
    port: (http.address() as AddressInfo).port,
    runs,
    asked: [],
    down: 0,
    leave,
    set(id, change, tasks) {
      Object.assign(find(id), change, tasks ? { run_details: { task_details: tasks } } : {});
    },
    close() {
      http.closeAllConnections();
      http.close();
    },
  };
  return server;
}
