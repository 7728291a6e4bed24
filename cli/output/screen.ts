import { fit } from "./ticker.ts";

/** A whole terminal that is drawn over in place, and given back as it was. */
export interface Screen {
  /** Draws these lines, cut to the terminal; `foot` stands below them whatever is cut. */
  draw(lines: readonly string[], foot?: readonly string[]): void;
  close(): void;
}

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
/** q, Ctrl-C, Ctrl-D. */
const LEAVING = ["q", "Q", "\u0003", "\u0004"];
const HOME = "\u001b[H";
const REST_OF_LINE = "\u001b[K";
const REST_OF_SCREEN = "\u001b[J";

/** Takes the terminal; `leave` is called for q and Ctrl-C, `redraw` when its size changes. */
export function openScreen(leave: () => void, redraw: () => void): Screen {
  const { stdin, stdout } = process;
  const raw = stdin.isTTY;
  let open = true;
  const key = (data: Buffer) => {
    // Ctrl-C is a character like any other as long as the terminal is ours.
    if (LEAVING.some((character) => data.includes(character))) leave();
  };
  const close = () => {
    if (!open) return;
    open = false;
    stdout.off("resize", redraw);
    process.off("exit", close);
    if (raw) {
      stdin.off("data", key);
      stdin.setRawMode(false);
      stdin.pause();
    }
    stdout.write(LEAVE);
  };
  // However the program ends, the terminal is not left behind.
  process.on("exit", close);
  stdout.write(ENTER);
  if (raw) {
    stdin.setRawMode(true);
    stdin.on("data", key);
    stdin.resume();
  }
  stdout.on("resize", redraw);
  return {
    draw(lines, foot = []) {
      if (!open) return;
      const rows = stdout.rows || 24;
      const columns = (stdout.columns || 80) - 1;
      const room = Math.max(1, rows - foot.length - 1);
      const shown = lines.length > room ? [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more`] : lines;
      const text = [...shown, ...foot].map((line) => `${fit(line, columns).line}${REST_OF_LINE}`).join("\r\n");
      stdout.write(`${HOME}${text}${REST_OF_SCREEN}`);
    },
    close,
  };
}
