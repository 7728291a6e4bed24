// Loaded by Pulumi before the program (`nodeargs` in Pulumi.yaml): the program's TypeScript runs as it stands, and what
// Pulumi's library would load for nothing stays on the disk.
import module, { createRequire } from "node:module";
import "./typescript.js";

// Pulumi's library brings the TypeScript compiler and npm's dependency solver along, to pack functions into resources
// (dynamic providers, Lambda), and what its Automation API needs. This program has none of it: those modules are loaded
// when something is first asked of them. Measured: half a second and 85 MB of every preview.
const LAZY = new Set([
  "typescript",
  "@npmcli/arborist",
  "normalize-package-data",
  "execa",
  "js-yaml",
  "@logdna/tail-file",
]);
/** Parts of the library itself that only other programs need. */
const LAZY_PARTS = new Set(["./automation", "./provider", "./dynamic"]);
const SCHEME = "lazy:";

// Compiled code is kept between runs; after an edit only the edited file is compiled anew.
module.enableCompileCache?.();

function isLazy(specifier, from = "") {
  if (LAZY_PARTS.has(specifier)) return from.endsWith("/@pulumi/pulumi/index.js");
  return LAZY.has(specifier) && from.includes("/@pulumi/pulumi/");
}

/** Stands for a module until something of it is used. */
function standIn(name, from) {
  let real;
  const load = () => {
    real ??= createRequire(from)(name);
    return real;
  };
  return new Proxy(() => undefined, {
    get(_target, member) {
      // Asked of every module that compiled TypeScript imports; no reason to load it.
      if (member === "__esModule") return true;
      return member === "default" ? (load().default ?? load()) : Reflect.get(load(), member);
    },
    apply: (_target, self, args) => Reflect.apply(load(), self, args),
    construct: (_target, args) => Reflect.construct(load(), args),
  });
}

// Node 22.13 and 22.14 cannot do this; there the modules are loaded as ever.
module.registerHooks?.({
  resolve(specifier, context, nextResolve) {
    if (!isLazy(specifier, context.parentURL)) return nextResolve(specifier, context);
    const url = `${SCHEME}${specifier}?${encodeURIComponent(context.parentURL)}`;
    return { url, format: "commonjs", shortCircuit: true };
  },
  load(url, context, nextLoad) {
    if (!url.startsWith(SCHEME)) return nextLoad(url, context);
    const [name, from] = url.slice(SCHEME.length).split("?").map(decodeURIComponent);
    const key = Symbol.for(url);
    globalThis[key] = standIn(name, from);
    const source = `module.exports = globalThis[Symbol.for(${JSON.stringify(url)})];`;
    return { format: "commonjs", source, shortCircuit: true };
  },
});
