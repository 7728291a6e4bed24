// Lets every supported Node run this project's TypeScript as it stands: no build step, no type check.
// Node 22.18 and 24 strip types themselves; 22.13 to 22.17 do it through a hook. Loaded by cli/mlt.js and, through
// `nodeargs` in Pulumi.yaml, by the Pulumi program.
import module from "node:module";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 13)) {
  console.error(
    `ml-training needs Node 22.13 or newer, because its dependencies do; this is Node ${process.versions.node} (${process.execPath}).\n` +
      "Install Node 24 (LTS), or put the one that `npm ci` brings first on the path: export PATH=$PWD/node_modules/.bin:$PATH",
  );
  process.exit(32); // Pulumi's own code for "the user has been told what to do": it adds nothing to the message
}

// Type stripping prints an ExperimentalWarning on Node 22; nothing that a user could act on.
const emitWarning = process.emitWarning;
process.emitWarning = (warning, ...rest) => {
  if (!/strip/i.test(String(warning?.message ?? warning))) emitWarning.call(process, warning, ...rest);
};

if (!process.features.typescript) module.register("./strip-types.js", import.meta.url);
