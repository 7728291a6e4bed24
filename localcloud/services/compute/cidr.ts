/** An IPv4 range as two numbers. */
export interface Range {
  first: number;
  last: number;
  bits: number;
}

/** `10.0.0.0/20` → its range; `undefined` for what is no IPv4 range or has bits set behind the mask. */
export function readCidr(text: string): Range | undefined {
  const [, address, mask] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const first = address === undefined ? undefined : readAddress(address);
  const bits = Number(mask);
  if (first === undefined || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  return first % size === 0 ? { first, last: first + size - 1, bits } : undefined;
}

export function readAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
  return parts.reduce((value, part) => value * 256 + Number(part), 0);
}

export function address(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

export function overlap(one: Range, other: Range): boolean {
  return one.first <= other.last && other.first <= one.last;
}

const PRIVATE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "192.0.0.0/24",
  "198.18.0.0/15",
  "240.0.0.0/4",
];

/** Whether a range may be a subnet's: one of the ranges that Google lists as valid, public ones of one's own left out. */
export function isPrivate(range: Range): boolean {
  return PRIVATE.some((text) => {
    const whole = readCidr(text) as Range;
    return whole.first <= range.first && range.last <= whole.last;
  });
}
