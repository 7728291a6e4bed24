// A remote command is one line of text for the login shell on the machine. What a user typed as arguments has to arrive
// there as exactly these arguments, whatever is in them.

/** Means nothing to any shell, Windows' own included (`%` would be a variable there). */
const PLAIN = /^[A-Za-z0-9_./:=@+,-]+$/;

/** A word as a POSIX shell has to read it. Newlines and every other character but NUL survive in single quotes. */
export function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Words as one line for a POSIX shell. */
export function shellLine(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

/**
 * The same line in characters that no program on the way changes: on Windows gcloud hands it to plink, and each of the
 * three has rules of its own for quotes, percent signs and line ends.
 */
export function wrapped(line: string, platform: NodeJS.Platform = process.platform): string {
  const isSafe = line.split(" ").every((word) => PLAIN.test(word));
  if (platform !== "win32" || isSafe) return line;
  // Not through a pipe into a shell: the line may read what comes after it on standard input.
  return `eval "$(echo ${Buffer.from(line).toString("base64")} | base64 -d)"`;
}

/** Words as they are shown to people: on one line, so that it can be copied into a shell. */
export function shownLine(words: readonly string[]): string {
  return words.map((word) => (/\p{Cc}/u.test(word) ? dollarQuoted(word) : quoted(word))).join(" ");
}

/** As bash and zsh read it: control characters by their escapes. */
function dollarQuoted(word: string): string {
  const escaped = [...word]
    .map((character) => {
      if (character === "'" || character === "\\") return `\\${character}`;
      if (character === "\n") return "\\n";
      if (character === "\t") return "\\t";
      if (character === "\r") return "\\r";
      const code = character.codePointAt(0)!;
      if (!/\p{Cc}/u.test(character)) return character;
      return code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    })
    .join("");
  return `$'${escaped}'`;
}
