import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { html } from "../escape.ts";

export interface Document {
  title: string;
  /** The body's inner HTML, escaped where it has to be. */
  body: string;
  /** A script of ours; no other runs. */
  script?: string;
}

/**
 * A page that is one file: styles and script are in it, and its policy forbids it to load, send or run anything else.
 * Text must be escaped by whoever makes the body; what slips through could not run.
 */
export function pageOf({ title, body, script }: Document): string {
  const style = minimal(asset("style.css"));
  const policy = [
    "default-src 'none'",
    `style-src '${hash(style)}'`,
    ...(script === undefined ? [] : [`script-src '${hash(script)}'`]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${html(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
${script === undefined ? "" : `<script>${script}</script>\n`}</body>
</html>
`;
}

/** A file beside this one. */
export function asset(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8").replaceAll("\r\n", "\n");
}

function minimal(style: string): string {
  return style.replace(/\s*\n\s*/g, "\n").trim();
}

function hash(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
