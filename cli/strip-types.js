// The hook that lets Node 22.13 to 22.17 import .ts files; newer Node does this by itself.
import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";

// This thread's own warning that stripping is experimental: nothing that a user could act on.
process.emitWarning = () => {};

export async function load(url, context, nextLoad) {
  if (!url.endsWith(".ts") || url.includes("/node_modules/")) return nextLoad(url, context);
  const source = stripTypeScriptTypes(await readFile(fileURLToPath(url), "utf8"));
  return { format: "module", source, shortCircuit: true };
}
