// Writes docs/localcloud.md: node --import ./cli/typescript.js localcloud/docs.ts > docs/localcloud.md
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLIENT_NOTES, NOTES } from "./docs-notes.ts";
import { GOOGLE_HOSTS } from "./guests/guest.ts";
import { pathForHost } from "./hosts.ts";
import { startLocalCloud } from "./server.ts";

interface Endpoint {
  method: string;
  pattern: string;
}

/** What the local cloud answers, by the routes that it has and the notes on them. A route without a note is an error. */
export async function document(): Promise<string> {
  const routes = await endpoints();
  const groups = new Map(NOTES.map((note) => [note.group, [] as Endpoint[]]));
  for (const route of routes) {
    const note = NOTES.find((each) => each.routes.test(route.pattern));
    if (!note) throw new Error(`localcloud/docs-notes.ts says nothing of ${route.method} ${route.pattern}.`);
    groups.get(note.group)?.push(route);
  }
  const sections = NOTES.map((note) => {
    const lines = [
      ...new Set((groups.get(note.group) ?? []).map(({ method, pattern }) => `${method} ${pattern}`)),
    ].sort();
    if (lines.length === 0)
      throw new Error(`localcloud/docs-notes.ts has a note on ${note.group}, which has no routes.`);
    return [note, lines] as const;
  });
  const rows = sections.map(([{ group, callers, modelled, notModelled }, lines]) => [
    `[${group}](#${anchor(group)})`,
    String(lines.length),
    callers,
    modelled,
    notModelled,
  ]);
  return `# What the local cloud models

<!-- Generated from the routes and localcloud/docs-notes.ts; see localcloud/docs.ts. Do not edit by hand. -->

A Google Cloud on this machine for rehearsals and tests: Google's own REST, on loopback only, with its state in a folder.
What is not listed here answers 501 with its name; so do unknown fields, permissions, roles and condition functions.
Who calls is known by a bearer token; every call is decided by IAM policies with their conditions.

${table(["endpoints", "count", "callers", "what is modelled", "what is not"], rows)}

## Hosts

Guests reach these names over TLS, by a certificate of an authority that lives as long as the session:

${table(
  ["host", "here"],
  GOOGLE_HOSTS.map((host) => [`\`${host}/…\``, `\`${pathForHost(host, "/…")}\``]),
)}

gRPC is spoken in one place: gcsfuse asks for a bucket's layout by it, in guests, where HTTP/2 is served to it alone.

## Clients

\`npx mlt local start\` prints every variable that the clients need. What is special about some:

${table(
  ["client", "what to know"],
  CLIENT_NOTES.map(([client, note]) => [client, note]),
)}

${sections.map(([{ group }, lines]) => `## ${group}\n\n\`\`\`text\n${lines.join("\n")}\n\`\`\``).join("\n\n")}
`;
}

/** Columns as wide as their longest cell, as the formatter wants them. */
function table(header: string[], rows: string[][]): string {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => (row[column] ?? "").length)));
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, "")
    .replaceAll(" ", "-");
}

async function endpoints(): Promise<Endpoint[]> {
  const folder = mkdtempSync(join(tmpdir(), "local-cloud-docs-"));
  try {
    const local = await startLocalCloud({ stateFolder: folder });
    const routes = local.routers.flatMap((router) => router.routes.map(({ method, pattern }) => ({ method, pattern })));
    await local.close();
    return routes;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main || process.argv[1] === import.meta.filename) process.stdout.write(await document());
