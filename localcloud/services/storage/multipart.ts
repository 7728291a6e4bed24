import { invalid } from "./errors.ts";

/** The largest metadata part. */
const MAX_HEAD = 1024 * 1024;

/** The boundary that a `multipart/…` content type names; gcloud puts it in single quotes. */
export function boundaryOf(contentType: string | undefined): string {
  const text = /^multipart\/[\w-]+\s*;.*?boundary=("[^"]+"|'[^']+'|[^;\s]+)/i.exec(contentType ?? "")?.[1];
  if (!text) throw invalid("Multipart request without a boundary in its Content-Type.");
  return text.replace(/^(["'])(.*)\1$/, "$2");
}

export interface Part {
  headers: Record<string, string>;
  text: string;
}

/** Headers of a part, names in lower case. */
export function partHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}

/**
 * Reads `multipart/related` with two parts as it arrives: the first is metadata, the second is content of any size
 * and is passed on in pieces. Lines end as the first one does (CR LF, or LF as some clients write).
 */
export class RelatedParts {
  readonly #boundary: string;
  readonly #source: AsyncIterator<Buffer>;
  #pending: Buffer = Buffer.alloc(0);
  #newline = "\r\n";

  constructor(source: AsyncIterable<unknown>, boundary: string) {
    this.#source = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    this.#boundary = boundary;
  }

  /** The first part, whole. */
  async metadata(): Promise<Part> {
    const opening = await this.#through("\n");
    if (opening.trimEnd() !== `--${this.#boundary}`)
      throw invalid("Multipart request does not begin with its boundary.");
    this.#newline = opening.endsWith("\r\n") ? "\r\n" : "\n";
    const headers = await this.#headers();
    const text = await this.#through(`${this.#newline}--${this.#boundary}${this.#newline}`);
    return { headers, text: text.slice(0, text.lastIndexOf(`${this.#newline}--`)) };
  }

  /** The headers of the content; its bytes follow by `content()`. */
  contentHeaders(): Promise<Record<string, string>> {
    return this.#headers();
  }

  async *content(): AsyncGenerator<Buffer> {
    const end = Buffer.from(`${this.#newline}--${this.#boundary}`);
    for (;;) {
      const found = this.#pending.indexOf(end);
      if (found >= 0) {
        if (found > 0) yield this.#pending.subarray(0, found);
        await this.#drain();
        return;
      }
      // The end may have begun: its length less one is held back.
      const safe = this.#pending.length - (end.length - 1);
      if (safe > 0) {
        yield this.#pending.subarray(0, safe);
        this.#pending = this.#pending.subarray(safe);
      }
      if (!(await this.#more())) throw invalid("Multipart request ends without its closing boundary.");
    }
  }

  async #headers(): Promise<Record<string, string>> {
    // A part without headers begins with the empty line itself.
    let text = "";
    for (;;) {
      const line = await this.#through(this.#newline);
      if (line === this.#newline) return partHeaders(text);
      text += line;
    }
  }

  /** The text up to and with the first `mark`. */
  async #through(mark: string): Promise<string> {
    for (;;) {
      const found = this.#pending.indexOf(mark);
      if (found >= 0) {
        const end = found + Buffer.byteLength(mark);
        const text = this.#pending.subarray(0, end).toString("utf8");
        this.#pending = this.#pending.subarray(end);
        return text;
      }
      if (this.#pending.length > MAX_HEAD) throw invalid("The metadata part of the multipart request is too large.");
      if (!(await this.#more())) throw invalid("Multipart request ends within its metadata.");
    }
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done) return false;
    this.#pending = this.#pending.length === 0 ? value : Buffer.concat([this.#pending, value]);
    return true;
  }

  async #drain(): Promise<void> {
    while (!(await this.#source.next()).done);
  }
}
