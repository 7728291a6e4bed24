// DEFLATE (RFC 1951) with the fixed Huffman codes, in plain arithmetic: the same bytes on every computer, for ever.
// zlib's own output differs between its versions and processors.

const MIN_MATCH = 3;
const MAX_MATCH = 258;
const WINDOW = 32_768;
/** How many earlier places are compared at most: more compress a little better and take longer. */
const CHAIN = 64;

/** First length or distance of each code, and how many extra bits follow it (RFC 1951, 3.2.5). */
const LENGTHS = table([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5], MIN_MATCH);
const DISTANCES = table(
  [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13],
  1,
);

interface Code {
  first: number;
  extra: number;
}

function table(extras: readonly number[], start: number): Code[] {
  let first = start;
  return extras.map((extra) => {
    const code = { first, extra };
    first += 2 ** extra;
    return code;
  });
}

/** The raw DEFLATE stream of `content`: one block. */
export function deflate(content: Buffer): Buffer {
  const out = new Bits();
  out.low(1, 1); // the last block
  out.low(1, 2); // fixed codes
  const heads = new Map<number, number>();
  const before = new Int32Array(content.length).fill(-1);
  const remember = (at: number): void => {
    if (at + MIN_MATCH > content.length) return;
    const key = content.readUIntBE(at, MIN_MATCH);
    before[at] = heads.get(key) ?? -1;
    heads.set(key, at);
  };
  for (let at = 0; at < content.length; ) {
    remember(at);
    const { length, distance } = longest(content, before, at);
    if (length < MIN_MATCH) {
      literal(out, content[at] as number);
      at += 1;
      continue;
    }
    match(out, length, distance);
    for (let next = at + 1; next < at + length; next++) remember(next);
    at += length;
  }
  literal(out, 256); // the end of the block
  return out.end();
}

function longest(content: Buffer, before: Int32Array, at: number): { length: number; distance: number } {
  const most = Math.min(MAX_MATCH, content.length - at);
  let length = 0;
  let distance = 0;
  let place = before[at] ?? -1;
  for (let tries = 0; place >= 0 && at - place <= WINDOW && tries < CHAIN; tries++) {
    let same = 0;
    while (same < most && content[place + same] === content[at + same]) same += 1;
    if (same > length) [length, distance] = [same, at - place];
    place = before[place] ?? -1;
  }
  return { length, distance };
}

/** A byte, 256 for the end, or a length's code, as the fixed table has it (RFC 1951, 3.2.6). */
function literal(out: Bits, symbol: number): void {
  if (symbol < 144) out.high(0x30 + symbol, 8);
  else if (symbol < 256) out.high(0x190 + symbol - 144, 9);
  else if (symbol < 280) out.high(symbol - 256, 7);
  else out.high(0xc0 + symbol - 280, 8);
}

function match(out: Bits, length: number, distance: number): void {
  // The longest has a code of its own, without extra bits.
  if (length === MAX_MATCH) literal(out, 285);
  else {
    const code = LENGTHS.findLastIndex(({ first }) => first <= length);
    const { first, extra } = LENGTHS[code] as Code;
    literal(out, 257 + code);
    out.low(length - first, extra);
  }
  const code = DISTANCES.findLastIndex(({ first }) => first <= distance);
  const { first, extra } = DISTANCES[code] as Code;
  out.high(code, 5);
  out.low(distance - first, extra);
}

/** Bits, from each byte's lowest upwards. */
class Bits {
  readonly #bytes: number[] = [];
  #held = 0;
  #count = 0;

  /** A number, its lowest bit first. */
  low(value: number, bits: number): void {
    for (let bit = 0; bit < bits; bit++) this.#push((value >> bit) & 1);
  }

  /** A Huffman code, its highest bit first. */
  high(value: number, bits: number): void {
    for (let bit = bits - 1; bit >= 0; bit--) this.#push((value >> bit) & 1);
  }

  #push(bit: number): void {
    this.#held |= bit << this.#count;
    this.#count += 1;
    if (this.#count < 8) return;
    this.#bytes.push(this.#held);
    this.#held = this.#count = 0;
  }

  end(): Buffer {
    if (this.#count > 0) this.#bytes.push(this.#held);
    return Buffer.from(this.#bytes);
  }
}
