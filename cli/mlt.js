#!/usr/bin/env node
// The command `mlt`: plain JavaScript, so that an old Node gets a message and not a syntax error.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

// The Node that `npm ci` brings steps in for one that is too old, or too old for the proxy that has to be used.
const bundled = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
const hasProxy = Object.keys(process.env).some((name) => /^https?_proxy$/i.test(name) && process.env[name]);
const tooOld =
  Number(process.versions.node.split(".")[0]) < 22 || (hasProxy && !(await import("node:http")).setGlobalProxyFromEnv);

if (tooOld && existsSync(bundled) && process.execPath !== bundled) {
  const { spawn } = await import("node:child_process");
  const { constants } = await import("node:os");
  const child = spawn(bundled, process.argv.slice(1), { stdio: "inherit" });
  // The terminal sends Ctrl-C to both; what it means is the child's to say.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`mlt cannot start ${bundled}: ${error.message}. Run npm ci again.`);
    process.exit(70);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
} else {
  await import("./typescript.js");
  await import("./main.ts");
}
