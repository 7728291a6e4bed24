import { messageOf, UserError } from "../training/errors.ts";

// The REST interface of Kubeflow Pipelines, v2beta1, as its API server serves it to its own page and SDK.

export type RunState =
  | "RUNTIME_STATE_UNSPECIFIED"
  | "PENDING"
  | "RUNNING"
  | "SUCCEEDED"
  | "SKIPPED"
  | "FAILED"
  | "CANCELING"
  | "CANCELED"
  | "PAUSED";

export interface TaskDetail {
  display_name: string;
  state?: RunState;
  start_time?: string;
  end_time?: string;
  error?: { message?: string };
}

export interface PipelineRun {
  run_id: string;
  display_name: string;
  state?: RunState;
  created_at?: string;
  finished_at?: string;
  error?: { message?: string };
  /** The compiled pipeline, or `{pipeline_spec, platform_spec}`. */
  pipeline_spec?: Record<string, unknown>;
  runtime_config?: { parameters?: Record<string, unknown> };
  run_details?: { task_details?: TaskDetail[] };
}

export interface NewRun {
  display_name: string;
  description?: string;
  pipeline_spec: Record<string, unknown>;
  runtime_config: { parameters: Record<string, unknown> };
}

/** What the server refuses, in its own words. */
export class ApiRefusal extends UserError {
  override name = "ApiRefusal";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message, status === 400 || status === 404 ? 64 : 70);
    this.status = status;
  }
}

/** Nobody answered: the way there broke, or the server starts anew. */
export class ApiUnreachable extends UserError {
  override name = "ApiUnreachable";
}

const PATH = "/apis/v2beta1/runs";
const PAGE = 100;

/** Runs, by way of the API server at `address`. */
export class PipelinesClient {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  create(run: NewRun): Promise<PipelineRun> {
    return this.#call<PipelineRun>("POST", PATH, run);
  }

  get(id: string): Promise<PipelineRun> {
    return this.#call<PipelineRun>("GET", `${PATH}/${encodeURIComponent(id)}`);
  }

  /** Newest first; `limit` at most. */
  async list(limit: number): Promise<PipelineRun[]> {
    const runs: PipelineRun[] = [];
    let token = "";
    do {
      const query = new URLSearchParams({
        page_size: String(Math.min(PAGE, limit - runs.length)),
        sort_by: "created_at desc",
        ...(token ? { page_token: token } : {}),
      });
      const page = await this.#call<{ runs?: PipelineRun[]; next_page_token?: string }>("GET", `${PATH}?${query}`);
      runs.push(...(page.runs ?? []));
      token = page.next_page_token ?? "";
    } while (token && runs.length < limit);
    return runs;
  }

  /** Ends a run that runs. */
  async terminate(id: string): Promise<void> {
    await this.#call("POST", `${PATH}/${encodeURIComponent(id)}:terminate`);
  }

  /** Takes away a run's record; its artefacts stay. */
  async remove(id: string): Promise<void> {
    await this.#call("DELETE", `${PATH}/${encodeURIComponent(id)}`);
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(`${this.#address}${path}`, {
        method,
        signal: AbortSignal.timeout(60_000),
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      text = await answer.text();
    } catch (error) {
      throw new ApiUnreachable(`Kubeflow Pipelines does not answer: ${messageOf(error)}. See: mlt kubeflow status`, 69);
    }
    const value = parsed(text);
    if (answer.ok && value !== undefined) return value as T;
    if (answer.status === 502 || answer.status === 503 || answer.status === 504) {
      throw new ApiUnreachable(`Kubeflow Pipelines does not answer (${answer.status}). See: mlt kubeflow status`, 69);
    }
    const said = refusalIn(value) ?? (text.trim().split("\n")[0]!.slice(0, 300) || "it gave no reason");
    throw new ApiRefusal(`Kubeflow Pipelines refuses (${answer.status}): ${said}`, answer.status);
  }
}

function parsed(text: string): unknown {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The server wraps an error in a sentence for each function that it passed: all of them, on one line. */
function refusalIn(value: unknown): string | undefined {
  const { message, error } = (value ?? {}) as { message?: unknown; error?: unknown };
  const said = typeof message === "string" ? message : typeof error === "string" ? error : undefined;
  return said?.replaceAll(/\s+/g, " ").trim() || undefined;
}
