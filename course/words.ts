/** A text of several lines as one, without what would drive a terminal, cut to a length. */
export function plainLine(text: string, longest = 300): string {
  const line = [...text]
    .map((character) => (character < " " || character === "\u007f" ? " " : character))
    .join("")
    .replace(/ +/g, " ")
    .trim();
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line;
}

/** `3 students`, `1 student` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
