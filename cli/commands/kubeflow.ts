import { type CommonOptions, counting, port, type Tools } from "./tools.ts";

/** `kubeflow open`, `submit`, `status`, `logs`, `clean`, `lock`. */
export function kubeflowCommands({ add, withEnvironment, ends, rest }: Tools): void {
  const kubeflow = add("kubeflow", "Kubeflow Pipelines on the environment's cluster: open, submit, watch, clean");
  const sub = (usage: string, description: string) => withEnvironment(kubeflow.command(usage).description(description));
  sub("open [what]", "open the page of pipelines, or a pipeline's web-ui, on this computer, until Ctrl-C")
    .usage("[options] [pipelines | web-ui]")
    .option("--port <port>", "this computer's port (else the usual one, or the next that is free)", port)
    .action(
      ends(async (what: string | undefined, options: CommonOptions & { port?: number }) =>
        (await import("../kubeflow/open.ts")).open(what ?? "pipelines", options),
      ),
    );
  sub("submit <file>", "start a run of a compiled pipeline (YAML); its parameters stand after --")
    .usage("[options] <file> [-- key=value …]")
    .option("-f, --follow", "tell its steps until it ends, and end with 0 only if it succeeded")
    .option("--name <name>", "how the run is called (else the pipeline's name and the time)")
    .option("--no-cache", "compute every step, also what has been computed before")
    .action(
      ends(async (file: string, options: CommonOptions & { follow?: boolean; name?: string; cache: boolean }) =>
        (await import("../kubeflow/submit.ts")).submit(file, rest, options),
      ),
    );
  sub("status [run]", "one run and its steps; without a run: runs, what is served, what does not start and why")
    .option("--limit <count>", "how many runs", counting, 10)
    .action(
      ends(async (run: string | undefined, options: CommonOptions & { limit: number }) =>
        (await import("../kubeflow/status.ts")).status(run, options),
      ),
    );
  sub("logs <run> [step]", "the log of a run's step, or of all its steps")
    .option("-f, --follow", "go on until the step ends, or Ctrl-C")
    .action(
      ends(async (run: string, step: string | undefined, options: CommonOptions & { follow?: boolean }) =>
        (await import("../kubeflow/logs.ts")).logs(run, step, options),
      ),
    );
  sub("clean", "remove what pipelines left running: served models and pages")
    .option("--runs", "the records of runs that have ended, too; artefacts stay")
    .option("-y, --yes", "do not ask")
    .action(
      ends(async (options: CommonOptions & { runs?: boolean; yes?: boolean }) =>
        (await import("../kubeflow/clean.ts")).clean(options),
      ),
    );
  kubeflow
    .command("lock")
    .description("ask the registries for the digest of every image of a release and write kubeflow/images.lock.json")
    .option("--version <release>", "of Kubeflow Pipelines (else the one that is installed by default)")
    .option("--check", "change nothing; end with 1 if an image is not what the file says")
    .option("--json", "as JSON, for scripts")
    .action(
      ends(async (options: { version?: string; check?: boolean; json?: boolean }) =>
        (await import("../kubeflow/lock.ts")).lock(options),
      ),
    );
}
