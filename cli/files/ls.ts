import { UserError } from "../../training/errors.ts";
import { bucketPath } from "../../training/paths.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { plain, printJson, size, table } from "../output/print.ts";

export async function ls(path: string | undefined, options: CommonOptions & { recursive?: boolean }): Promise<number> {
  const environment = await environmentFor(options);
  const at = bucketPath(path ?? "", environment);
  const base = at.path.replace(/\/+$/, "");
  const delimiter = options.recursive ? {} : { delimiter: "/" };
  const listing = await environment.objects.list(at.bucket, { prefix: base ? `${base}/` : "", ...delimiter });
  const found = base ? await environment.objects.info(at.bucket, base) : undefined;
  const objects = found ? [found, ...listing.objects] : listing.objects;
  if (base && objects.length === 0 && listing.prefixes.length === 0) {
    throw new UserError(`gs://${at.bucket}/${base} does not exist: no object has that name or lies below it.`);
  }
  const entries = [
    ...listing.prefixes.map((prefix) => ({ path: prefix, type: "folder" as const })),
    ...objects.map(({ name, size: bytes, updated }) => ({ path: name, type: "object" as const, size: bytes, updated })),
  ];
  if (options.json) {
    printJson(entries.map((entry) => ({ url: `gs://${at.bucket}/${entry.path}`, ...entry })));
    return 0;
  }
  const rows = entries.map((entry) => [
    entry.type === "object" ? size(entry.size) : "-",
    entry.type === "object" ? entry.updated.slice(0, 19).concat("Z") : "-",
    plain(entry.path),
  ]);
  console.log(rows.length > 0 ? table(["SIZE", "UPDATED", "PATH"], rows) : `gs://${at.bucket} is empty.`);
  return 0;
}
