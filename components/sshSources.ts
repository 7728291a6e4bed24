/** All ranges together may hold as many addresses as one /16: a university, not the internet. */
export const MOST_ADDRESSES = 2 ** 16;

interface Range {
  text: string;
  first: number;
  /** Behind the last. */
  end: number;
}

/**
 * What is wrong with the addresses from which SSH is let in. Problems begin with the member's name. Pieces are added
 * up, so that the internet cannot be let in by halves.
 */
export function sshSourceProblems(sources: readonly string[]): string[] {
  const problems: string[] = [];
  const ranges: Range[] = [];
  sources.forEach((text, index) => {
    const read = readRange(text);
    if (typeof read === "string") problems.push(`sshFrom[${index}] ${read}`);
    else ranges.push(read);
  });
  const total = union(ranges);
  if (total > MOST_ADDRESSES) {
    problems.push(
      `sshFrom must hold at most ${MOST_ADDRESSES} addresses together (a /16), because SSH that the internet can reach is found within minutes; got ${total} in ${ranges.map(({ text }) => text).join(", ")}. Name your own network, or leave externalIp away: \`mlt ssh\` needs no address`,
    );
  }
  return problems;
}

function readRange(text: string): Range | string {
  const quoted = JSON.stringify(text);
  if (text.includes(":")) {
    return /\/0$/.test(text)
      ? `must not be the whole internet; got ${quoted}`
      : `must be an IPv4 range: the workstation's network has no IPv6; got ${quoted}`;
  }
  const [, a, b, c, d, bits] = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text) ?? [];
  const octets = [a, b, c, d].map(Number);
  const length = Number(bits);
  if (bits === undefined || octets.some((octet) => octet > 255) || length > 32) {
    return `must be an IPv4 range such as 203.0.113.7/32 or 203.0.113.0/24; got ${quoted}`;
  }
  if (length === 0) return `must not be the whole internet; got ${quoted}`;
  const address = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const size = 2 ** (32 - length);
  if (address % size !== 0) {
    const base = address - (address % size);
    const dotted = [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join(".");
    return `must begin at the range's first address: ${dotted}/${length}, or ${octets.join(".")}/32 for this one; got ${quoted}`;
  }
  return { text, first: address, end: address + size };
}

function union(ranges: readonly Range[]): number {
  let total = 0;
  let behind = 0;
  for (const { first, end } of [...ranges].sort((a, b) => a.first - b.first)) {
    total += Math.max(0, end - Math.max(first, behind));
    behind = Math.max(behind, end);
  }
  return total;
}
