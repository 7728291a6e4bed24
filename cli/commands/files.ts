import type { CommonOptions, Tools } from "./tools.ts";

/** `put`, `ls`, `fetch`. */
export function fileCommands({ add, withEnvironment, ends }: Tools): void {
  withEnvironment(add("put <source> <path>", "upload a file or folder, such as data/ to input/census")).action(
    ends(async (source: string, path: string, options: CommonOptions) =>
      (await import("../files/put.ts")).put(source, path, options),
    ),
  );
  withEnvironment(add("ls [path]", "list the bucket"))
    .option("-r, --recursive", "list what is below the folders, too")
    .action(
      ends(async (path: string | undefined, options: CommonOptions & { recursive?: boolean }) =>
        (await import("../files/ls.ts")).ls(path, options),
      ),
    );
  withEnvironment(
    add("fetch <run> [folder]", "download what a run left (its id, or latest), or a path such as input/census"),
  ).action(
    ends(async (source: string, folder: string | undefined, options: CommonOptions) =>
      (await import("../files/fetch.ts")).fetch(source, folder, options),
    ),
  );
}
