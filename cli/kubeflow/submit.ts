import { kubeflowOf } from "../../kubeflow/access.ts";
import { readParameters } from "../../kubeflow/parameters.ts";
import { type PipelineFile, readPipelineFile, sentSpec } from "../../kubeflow/pipelineFile.ts";
import { hasEnded, runExitCode, shownState } from "../../kubeflow/runs.ts";
import { EXIT, Problems } from "../../training/errors.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { plain, printJson } from "../output/print.ts";
import { followRun } from "./follow.ts";
import { clusterFor, runPage, say, withPipelines } from "./session.ts";

export interface SubmitOptions extends CommonOptions {
  follow?: boolean;
  name?: string;
  /** `--no-cache`. */
  cache: boolean;
}

/** Checks a compiled pipeline and its parameters, then starts a run of it; prints the run's id and where to see it. */
export async function submit(file: string, words: readonly string[], options: SubmitOptions): Promise<number> {
  const pipeline = await readPipelineFile(file);
  const record = kubeflowOf(await environmentFor(options));
  const { values, problems } = readParameters(words, pipeline);
  problems.push(...rootProblems(pipeline, record.pipelineRoot), ...nameProblems(options.name));
  if (problems.length > 0) throw new Problems(`${file} was not submitted`, problems);

  const { kubectl } = await clusterFor(options);
  const run = await withPipelines(kubectl, (client) =>
    client.create({
      display_name: options.name ?? `${pipeline.name} ${new Date().toISOString().slice(0, 19).replace("T", " ")}`,
      pipeline_spec: sentSpec(pipeline, options.cache),
      runtime_config: { parameters: values },
    }),
  );
  const { run_id: id } = run;
  const page = runPage(id);
  if (!options.follow) {
    if (options.json) printJson({ run: id, name: run.display_name, state: shownState(run.state), page });
    else console.log(id);
    say(`follow it: mlt kubeflow status ${short(id)} | logs ${short(id)}; its page: mlt kubeflow open, then ${page}`);
    return 0;
  }
  if (!options.json) console.log(id);
  return interruptible(async (signal) => {
    const last = await followRun(kubectl, run, signal);
    if (options.json) printJson({ run: id, name: last.display_name, state: shownState(last.state), page });
    if (!hasEnded(last)) {
      say(`stopped following; ${id} goes on. See: mlt kubeflow status ${short(id)}`);
      return EXIT.interrupted;
    }
    const why = last.error?.message ? `: ${plain(last.error.message)}` : "";
    const more = runExitCode(last) === 0 ? "" : `. Its log: mlt kubeflow logs ${short(id)}`;
    say(`${id}: ${shownState(last.state)}${why}${more}`);
    return runExitCode(last);
  });
}

export function short(id: string): string {
  return id.slice(0, 8);
}

/** Runs may write below the environment's pipeline root, and nowhere else. */
function rootProblems({ pipelineRoot }: PipelineFile, allowed: string): string[] {
  if (pipelineRoot === undefined || `${pipelineRoot}/`.startsWith(`${allowed.replace(/\/$/, "")}/`)) return [];
  return [
    `the pipeline says that its artefacts go to ${pipelineRoot}; runs of this environment may write below ${allowed} only. Leave pipeline_root away, or choose a place there`,
  ];
}

function nameProblems(name: string | undefined): string[] {
  if (name === undefined || (name.trim() !== "" && name.length <= 128 && !/\p{Cc}/u.test(name))) return [];
  return [`--name is 1 to 128 characters on one line; got ${JSON.stringify(name)}`];
}
