import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SUITE } from "./files.ts";

/**
 * The sources from which the root file system is built: this host's own Debian mirrors, if it is a Debian; else none,
 * and mmdebstrap takes Debian's public mirror. One `deb URI SUITE main` a line.
 */
export function debianSources(folder = "/etc/apt"): string[] {
  const sources = sourceFiles(folder).flatMap((file) => parseSources(readFileSync(file, "utf8")));
  const archive = sources.find(({ uri, suite }) => suite === SUITE && /debian\/?$/.test(uri));
  if (!archive) return [];
  const wanted = [SUITE, `${SUITE}-updates`, `${SUITE}-security`];
  const chosen = wanted.flatMap((suite) => sources.find((source) => source.suite === suite) ?? []);
  return chosen.map(({ uri, suite }) => `deb ${uri} ${suite} main`);
}

interface Source {
  uri: string;
  suite: string;
}

function sourceFiles(folder: string): string[] {
  const parts = join(folder, "sources.list.d");
  const inside = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  return [join(folder, "sources.list"), ...inside].filter((path) => /\.(list|sources)$/.test(path) && existsSync(path));
}

export function parseSources(text: string): Source[] {
  const oneLine = [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/gm)];
  const result = oneLine.map(([, uri, suite]) => ({ uri: uri as string, suite: suite as string }));
  for (const stanza of text.replace(/^#.*\n?/gm, "").split(/\n\s*\n/)) {
    const field = (name: string) => new RegExp(`^${name}:\\s*(.+)$`, "im").exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
    if (field("Types").length > 0 && !field("Types").includes("deb")) continue;
    if (/^(no|false)$/i.test(field("Enabled")[0] ?? "yes")) continue;
    for (const uri of field("URIs")) for (const suite of field("Suites")) result.push({ uri, suite });
  }
  // A password in a mirror's address would end up in every guest.
  return result.filter(({ uri }) => !uri.includes("@"));
}
