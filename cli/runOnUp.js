// What `pulumi up` runs for training.runOnUp (components/runOnUp.ts): a run of a package, once for its key, followed to
// its end. Says its key on stdout, which Pulumi keeps: called again with the same key it has nothing to do.
import { writeSync } from "node:fs";
import { fileURLToPath } from "node:url";

const { MLT_UP_KEY: key, MLT_UP_PACKAGE: pack, MLT_UP_ARGUMENTS: args, MLT_UP_ENVIRONMENT: bucket } = process.env;
if (!key || !pack || !args || !bucket) {
  console.error("cli/runOnUp.js is called by pulumi up. Start a training yourself with: npx mlt train");
  process.exit(64);
}
process.on("exit", (code) => {
  if (code === 0) writeSync(1, `${key}\n`);
});
if (process.env.PULUMI_COMMAND_STDOUT !== key) {
  const at = (path) => fileURLToPath(new URL(path, import.meta.url));
  const once = ["--once", key, "--yes", "--quiet", "--environment", bucket];
  process.argv = [process.argv[0], at("mlt.js"), "train", at(`../${pack}`), ...once, "--", ...JSON.parse(args)];
  await import("./mlt.js");
}
