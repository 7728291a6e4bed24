import { ENVIRONMENT_LABEL } from "./marks.ts";
import { LENGTHS, shorten } from "./names.ts";

/** Made legal for Google: lower case letters, digits, `_` and `-`, 63 at most. Of an e-mail address only the name. */
export function labelValue(text: string): string {
  const name = /^[^@\s]+@[^@\s]+$/.test(text) ? text.slice(0, text.indexOf("@")) : text;
  return shorten(name.toLowerCase().replace(/[^a-z0-9_-]+/g, "-"), LENGTHS.label).replace(/^-+|-+$/g, "");
}

const KEY = /^[a-z][a-z0-9_-]{0,62}$/;

/** Keys that the program sets itself. */
export const OWN_LABELS = ["app", ENVIRONMENT_LABEL, "owner", "expires"] as const;

/** Why a text cannot be a label's key; `undefined` if it can. */
export function labelKeyProblem(key: string): string | undefined {
  if (!KEY.test(key)) {
    return `must begin with a lower case letter and hold up to 63 lower case letters, digits, _ and -; got ${JSON.stringify(key)}`;
  }
  if (key.startsWith("goog"))
    return `must not begin with "goog", which Google keeps for itself; got ${JSON.stringify(key)}`;
  if (key.startsWith("mlt-") && key !== ENVIRONMENT_LABEL) {
    return `must not begin with "mlt-", by which \`mlt\` knows what is its own; got ${JSON.stringify(key)}`;
  }
  if ((OWN_LABELS as readonly string[]).includes(key)) {
    return `is set by the program itself${key === "owner" || key === "expires" ? `: use mltraining:${key}` : ""}`;
  }
  return undefined;
}

/** The labels that every resource of an environment carries, where Google takes labels. */
export function environmentLabels(args: {
  environment: string;
  owner?: string;
  expires?: string;
  labels?: Readonly<Record<string, string>>;
}): Record<string, string> {
  const labels: Record<string, string> = { app: "ml-training", [ENVIRONMENT_LABEL]: args.environment };
  if (args.owner) labels.owner = labelValue(args.owner);
  if (args.expires) labels.expires = labelValue(args.expires);
  for (const [key, value] of Object.entries(args.labels ?? {})) labels[key] = labelValue(value);
  return labels;
}
