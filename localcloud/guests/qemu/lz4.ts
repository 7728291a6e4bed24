/** The magic number of a legacy LZ4 stream, as it lies in a compressed Linux kernel. */
const MAGIC = Buffer.from([0x02, 0x21, 0x4c, 0x18]);

/**
 * The kernel inside a `vmlinuz` that was packed with LZ4. QEMU starts it straight away, which spares an emulated processor
 * the unpacking.
 */
export function unpackKernel(vmlinuz: Buffer): Buffer {
  const start = vmlinuz.indexOf(MAGIC);
  if (start < 0) throw new Error("The kernel is not packed with LZ4.");
  const blocks: Buffer[] = [];
  let at = start + MAGIC.length;
  while (at + 4 <= vmlinuz.length) {
    const size = vmlinuz.readUInt32LE(at);
    // What follows the last block is no block of the stream: a length that does not fit ends it.
    if (size === 0 || size > BLOCK_BYTES || at + 4 + size > vmlinuz.length) break;
    const block = unpackBlock(vmlinuz.subarray(at + 4, at + 4 + size));
    blocks.push(block);
    at += 4 + size;
    if (block.length < BLOCK_BYTES) break;
  }
  return Buffer.concat(blocks);
}

const BLOCK_BYTES = 8 * 1024 * 1024;

/** One block: sequences of literal bytes, each followed by a copy of what was written before. */
export function unpackBlock(input: Buffer): Buffer {
  const output = Buffer.alloc(BLOCK_BYTES);
  let from = 0;
  let to = 0;
  const length = (nibble: number) => {
    let total = nibble;
    for (let next = 255; nibble === 15 && next === 255; total += next) next = input[from++] ?? 0;
    return total;
  };
  while (from < input.length) {
    const token = input[from++] as number;
    const literals = length(token >> 4);
    to += input.copy(output, to, from, from + literals);
    from += literals;
    if (from >= input.length) break;
    const distance = input.readUInt16LE(from);
    from += 2;
    const end = to + length(token & 15) + 4;
    if (distance === 0 || distance > to || end > BLOCK_BYTES) throw new Error("The packed kernel is damaged.");
    for (; to < end; to += 1) output[to] = output[to - distance] as number;
  }
  return output.subarray(0, to);
}
