#!/usr/bin/env node
import { spawnSync } from "node:child_process";
// The command `mlt`: plain JavaScript, so that an old Node gets a message and not a syntax error.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const bundled = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
if (Number(process.versions.node.split(".")[0]) < 22 && existsSync(bundled) && process.execPath !== bundled) {
  // `npm ci` brings a Node that is new enough: use it rather than refuse.
  const child = spawnSync(bundled, process.argv.slice(1), { stdio: "inherit" });
  process.exit(child.status ?? 1);
}
await import("./typescript.js");
await import("./main.ts");
