import { invalid } from "./errors.ts";

/** Whether a name fits a `matchGlob`: `*` within a segment, `**` across them, `?`, `[a-z]`, `{one,two}`. */
export function globFilter(glob: string | null): ((name: string) => boolean) | undefined {
  if (!glob) return undefined;
  let pattern = "";
  let depth = 0;
  for (let index = 0; index < glob.length; index++) {
    const character = glob[index] as string;
    if (character === "*") {
      const across = glob[index + 1] === "*";
      if (across) index += 1;
      // `**/` also fits no folder at all.
      if (across && glob[index + 1] === "/") {
        index += 1;
        pattern += "(?:.*/)?";
      } else pattern += across ? ".*" : "[^/]*";
    } else if (character === "?") pattern += "[^/]";
    else if (character === "[") {
      const end = glob.indexOf("]", index + 2);
      if (end < 0) throw invalid(`Invalid matchGlob: '${glob}'.`);
      const set = glob.slice(index + 1, end).replace(/[\\\]]/g, "\\$&");
      pattern += `[${set.replace(/^!/, "^")}]`;
      index = end;
    } else if (character === "{") {
      depth += 1;
      pattern += "(?:";
    } else if (character === "}" && depth > 0) {
      depth -= 1;
      pattern += ")";
    } else if (character === "," && depth > 0) pattern += "|";
    else pattern += character.replace(/[.+^$()|\\{}\]]/, "\\$&");
  }
  if (depth > 0) throw invalid(`Invalid matchGlob: '${glob}'.`);
  const expression = new RegExp(`^${pattern}$`, "su");
  return (name) => expression.test(name);
}
