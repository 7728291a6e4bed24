import type { Command } from "commander";
import { Option } from "commander";

interface RehearseCommandOptions {
  package: string;
  guest?: string;
  provider: string;
  images: boolean;
  workstation: boolean;
  course: boolean;
  keep: boolean;
  json: boolean;
}

/** `mlt rehearse`: the whole life of an environment on this machine. */
export function registerRehearse(program: Command): void {
  program
    .command("rehearse")
    .description("rehearse the whole life of an environment on this machine: no cloud, no account, no bill")
    .option("--package <folder>", "the training package to run", "examples/census")
    .addOption(
      new Option(
        "--guest <level>",
        "how the machine is booted (default: the most faithful one that runs here)",
      ).choices(["nspawn", "qemu", "process"]),
    )
    .addOption(
      new Option("--provider <kind>", "attached: the project's own thin gcp provider; real: the installed plugin")
        .choices(["attached", "real"])
        .default("attached"),
    )
    .addOption(
      new Option("--images", "rehearse the life of an image family instead: build, run, change, break, roll back")
        .conflicts(["package", "keep", "workstation", "course"])
        .default(false),
    )
    .addOption(
      new Option("--workstation", "rehearse a workstation's life instead: work on it, let it stop, start it again")
        .conflicts(["package", "keep", "images", "course"])
        .default(false),
    )
    .addOption(
      new Option("--course", "rehearse a class instead: canary, up, changes, freeze, report, export, down")
        .conflicts(["package", "keep", "provider", "images", "workstation"])
        .default(false),
    )
    .option("--keep", "leave the environment up at the end, and say where it lies", false)
    .option("--json", "print one JSON object as the last line", false)
    .action(async (options: RehearseCommandOptions) => {
      if (options.course) {
        const { guest, json } = options;
        process.exitCode = await (await import("./course.ts")).rehearseCourse({
          ...(guest ? { guest: guest as "nspawn" | "qemu" | "process" } : {}),
          json,
        });
        return;
      }
      if (options.images || options.workstation) {
        const { guest, provider, json } = options;
        const chosen = {
          ...(guest ? { guest: guest as "nspawn" | "qemu" | "process" } : {}),
          provider: provider as "attached" | "real",
          json,
        };
        process.exitCode = options.images
          ? await (await import("./images.ts")).rehearseImages(chosen)
          : await (await import("./workstation.ts")).rehearseWorkstation(chosen);
        return;
      }
      const { rehearse } = await import("./rehearsal.ts");
      process.exitCode = await rehearse({
        packageFolder: options.package,
        guest: options.guest as "nspawn" | "qemu" | "process" | undefined,
        provider: options.provider as "attached" | "real",
        keep: options.keep,
        json: options.json,
      });
    });
}
