import { messageOf } from "../training/errors.ts";
import type { Student } from "./contract.ts";
import { EngineError } from "./pulumi/engine.ts";
import { ROSTER_FILE } from "./roster.ts";
import { plainLine } from "./words.ts";

/** Longest reason in a table. */
const LONGEST = 300;

/** Why a student's turn failed, in one line and the user's words. */
export function reasonOf(error: unknown, student?: Pick<Student, "id" | "line">): string {
  const all = error instanceof EngineError ? error.all : [messageOf(error)];
  for (const text of all) {
    const known = knownReason(text, student);
    if (known) return known;
  }
  return plainLine(withoutType(all[0] ?? "it failed without a message"), LONGEST);
}

function knownReason(text: string, student?: Pick<Student, "id" | "line">): string | undefined {
  const again = student ? `; then: mlt course up --only ${student.id}` : "";
  const line = student ? ` (${ROSTER_FILE} line ${student.line})` : "";
  const [, kind = "", address = ""] = /\b(User|Group) (\S+@\S+?) does not exist/.exec(text) ?? [];
  if (address !== "") {
    const what = kind === "User" ? "account" : "group";
    return `${address} is no Google ${what}${line}: correct it, or have the ${what} made${again}`;
  }
  if (/do not belong to a permitted customer|allowedPolicyMemberDomains/.test(text)) {
    return `the organisation admits nobody of this address's domain (iam.allowedPolicyMemberDomains)${line}: see mlt course check${again}`;
  }
  // With the project before it, or not, as the reference names it.
  const [, stack] = /\b(?:no stack named|unknown stack) ['"](?:[^'"]*\/)?([^'"/]+)['"]/.exec(text) ?? [];
  if (stack) return `the foundation ${stack} does not stand: mlt course up makes it`;
  return undefined;
}

/** `gcp:storage/bucket:Bucket ml26-s001-data: …` → `Bucket ml26-s001-data: …` */
function withoutType(text: string): string {
  return text.replace(/^[a-z]+:[\w/]+:(\w+) /i, "$1 ");
}
