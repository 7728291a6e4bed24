import { UserError } from "./errors.ts";
import { quotable } from "./files.ts";

/** What never belongs into a package, wherever it lies in it. */
export const ALWAYS_IGNORED = [
  ".git/",
  "__pycache__/",
  "*.pyc",
  ".venv/",
  "node_modules/",
  ".ipynb_checkpoints/",
  ".pytest_cache/",
  ".DS_Store",
  "Thumbs.db",
  ".mltignore",
] as const;

interface Rule {
  pattern: RegExp;
  folderOnly: boolean;
  negated: boolean;
}

/** Tells whether a path (with `/`, relative to the package) is left out; folders are asked before what is in them. */
export type Ignored = (path: string, isFolder: boolean) => boolean;

/** Reads a `.mltignore`: the patterns of a .gitignore, the last one that fits decides. */
export function ignoreRules(text: string): Ignored {
  const lines = text.split(/\r?\n/).map((line) => line.replace(/(?<!\\)\s+$/, ""));
  const own = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const rules = [...ALWAYS_IGNORED, ...own].map(ruleOf);
  return (path, isFolder) => {
    let ignored = false;
    for (const rule of rules) {
      if (rule.folderOnly && !isFolder) continue;
      if (rule.pattern.test(path)) ignored = !rule.negated;
    }
    return ignored;
  };
}

function ruleOf(line: string): Rule {
  const negated = line.startsWith("!");
  const body = line.slice(negated ? 1 : 0).replace(/^\\(?=[#!])/, "");
  const folderOnly = body.endsWith("/");
  const glob = body.replace(/\/+$/, "");
  // A slash at the start or in the middle anchors the pattern at the package's root.
  const anchored = glob.includes("/");
  const source = globSource(glob.replace(/^\//, ""));
  try {
    return { pattern: new RegExp(`^${anchored ? "" : "(?:.*/)?"}${source}$`), folderOnly, negated };
  } catch {
    throw new UserError(`.mltignore has a pattern that cannot be read: "${quotable(line)}". Correct its [brackets].`);
  }
}

function globSource(glob: string): string {
  let source = "";
  for (let index = 0; index < glob.length; index += 1) {
    const rest = glob.slice(index);
    if (rest.startsWith("**/")) {
      source += "(?:.*/)?";
      index += 2;
    } else if (rest.startsWith("**")) {
      source += ".*";
      index += 1;
    } else if (rest.startsWith("*")) source += "[^/]*";
    else if (rest.startsWith("?")) source += "[^/]";
    else if (/^\[[^\]/]+\]/.test(rest)) {
      const set = /^\[[^\]/]+\]/.exec(rest)![0];
      source += set.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
      index += set.length - 1;
    } else if (rest.startsWith("\\") && rest.length > 1) {
      source += escaped(rest[1]!);
      index += 1;
    } else source += escaped(rest[0]!);
  }
  return source;
}

function escaped(character: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}
