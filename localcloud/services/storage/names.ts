import { GoogleError } from "../../core/errors.ts";
import { invalid } from "./errors.ts";

/** "google" and what reads like it. */
const LIKE_GOOGLE = /g[o0]{2}g[l1i]e|^goog/;

/** Refuses what Google refuses as a bucket's name. */
export function checkBucketName(name: string): void {
  const refuse = (rule: string): never => {
    throw invalid(`Invalid bucket name: '${name}'. ${rule}`);
  };
  const dotted = name.includes(".");
  if (name.length < 3 || name.length > (dotted ? 222 : 63)) {
    refuse("A name has 3 to 63 characters, with dots up to 222.");
  }
  if (!/^[a-z0-9][a-z0-9._-]*[a-z0-9]$/.test(name)) {
    refuse("Only lower-case letters, digits, -, _ and . are allowed; the first and last is a letter or digit.");
  }
  if (name.split(".").some((part) => part.length > 63)) refuse("Each part between dots has 63 characters at most.");
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) refuse("A name is no IP address.");
  if (LIKE_GOOGLE.test(name)) refuse("A name does not begin with goog and does not contain google or the like.");
  if (!dotted) return;
  if (/\.\.|\.-|-\.|_/.test(name) || !/\.[a-z]{2,}$/.test(name)) refuse("A name with dots is a valid domain name.");
  throw new GoogleError(
    403,
    "forbidden",
    "The bucket you tried to create is a domain name owned by another user. Verify the domain first.",
  );
}

export function checkObjectName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) throw invalid("Required object name is empty.");
  if (bytes > 1024) throw invalid("The specified object name is longer than 1024 bytes in UTF-8.");
  if (/[\r\n]/.test(name)) throw invalid("Object names do not contain carriage return or line feed.");
  if (name === "." || name === "..") throw invalid(`Invalid object name: '${name}'.`);
  if (name.startsWith(".well-known/acme-challenge/")) throw invalid(`Invalid object name: '${name}'.`);
  if (/\p{Surrogate}/u.test(name)) throw invalid("Object names are valid UTF-8.");
}

/** Labels of a bucket. */
export function checkLabels(labels: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(labels);
  if (entries.length > 64) throw invalid(`A bucket has 64 labels at most, not ${entries.length}.`);
  for (const [key, value] of entries) {
    if (!/^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u.test(key)) throw invalid(`Invalid label key: '${key}'.`);
    if (typeof value !== "string" || !/^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u.test(value)) {
      throw invalid(`Invalid label value for key '${key}': '${String(value)}'.`);
    }
  }
  return labels as Record<string, string>;
}

/** By bytes of UTF-8, as Google lists. Code units differ from that order where surrogates meet U+E000 to U+FFFF. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
