import { createHash, randomBytes } from "node:crypto";

const RUN_ID = /^([a-z][a-z0-9-]{0,19})-(\d{14})-([0-9a-f]{4})$/;

/** `20261121080000` in UTC. */
export function stamp(date: Date): string {
  return date.toISOString().replace(/\D/g, "").slice(0, 14);
}

/** A package's name as part of ids and labels: lower case letters, digits and hyphens, 20 at most, a letter first. */
export function legalName(text: string): string {
  const legal = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 20)
    .replace(/-+$/, "");
  return legal || "package";
}

/** `<package ≤ 20>-<yyyymmddhhmmss>-<4 hex>` */
export function runId(packageName: string, now: Date, random: Buffer = randomBytes(2)): string {
  return `${legalName(packageName)}-${stamp(now)}-${random.subarray(0, 2).toString("hex").padStart(4, "0")}`;
}

export function isRunId(text: string): boolean {
  return RUN_ID.test(text);
}

/** The sortable part of an id: its time and random digits. */
export function runMoment(id: string): string {
  const parts = RUN_ID.exec(id);
  return parts ? `${parts[2]}-${parts[3]}` : "";
}

/** `<environment>-run-<yyyymmddhhmmss>-<4 hex>-a<nn>`: a new name per attempt, since a dead machine may keep its own. */
export function machineName(environment: string, id: string, attempt: number): string {
  return `${environment}-run-${runMoment(id)}-a${String(attempt).padStart(2, "0")}`;
}

/** The same UUID for the same parts: a call that is sent twice is done once. */
export function requestId(...parts: (string | number)[]): string {
  const hash = createHash("sha256").update(parts.join("\n")).digest();
  // Version 8 (custom) and the variant of RFC 9562; Google takes any UUID but zero.
  hash[6] = (hash[6]! & 0x0f) | 0x80;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** Google's label values: lower case letters, digits, `_` and `-`, 63 at most. */
export function labelValue(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}
