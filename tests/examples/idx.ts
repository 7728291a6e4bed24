/** An idx file as MNIST and Fashion-MNIST have them: images whose every pixel is the label's number times 25. */
export function idx(labels: number[], kind: "images" | "labels"): Buffer {
  const head = Buffer.alloc(kind === "images" ? 16 : 8);
  head.writeUInt32BE(kind === "images" ? 0x803 : 0x801, 0);
  head.writeUInt32BE(labels.length, 4);
  if (kind === "labels") return Buffer.concat([head, Buffer.from(labels)]);
  head.writeUInt32BE(28, 8);
  head.writeUInt32BE(28, 12);
  return Buffer.concat([head, ...labels.map((label) => Buffer.alloc(784, label * 25))]);
}
