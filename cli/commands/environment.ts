import type { CommonOptions, Tools } from "./tools.ts";

/** `use`, `doctor`. */
export function environmentCommands({ add, withEnvironment, ends }: Tools): void {
  withEnvironment(add("use [bucket]", "choose the environment that the other commands work with")).action(
    ends(async (bucket: string | undefined, options: CommonOptions) =>
      (await import("../environment/use.ts")).use(bucket, options),
    ),
  );
  withEnvironment(add("doctor", "say what is missing for trainings on Google Cloud, and what puts it right"))
    .option("--kubeflow", "also what a cluster with Kubeflow Pipelines needs: programs, quotas")
    .action(
      ends(async (options: CommonOptions & { kubeflow?: boolean }) =>
        (await import("../environment/doctor.ts")).doctor(options),
      ),
    );
}
