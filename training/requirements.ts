const PIN = /^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9._,\s-]+\])?\s*(===?\s*[^\s;,*]+|@\s*https:\/\/\S+)\s*(;.*)?$/;
const HASH = /--hash=sha256:[0-9a-f]{64}\b/;
const HARMLESS = /^--(require-hashes|only-binary|no-binary|prefer-binary|pre|trusted-host)\b/;
const INDEX = /^(-i|-f|--index-url|--extra-index-url|--find-links)\b/;

const LOCK =
  "lock it: `uv pip compile --generate-hashes requirements.in -o requirements.txt` (or pip-compile --generate-hashes)";

/** Every line of a requirements file that would let another file in tomorrow than today, with its number. */
export function requirementProblems(text: string, file = "requirements.txt"): string[] {
  if (text.includes("\0")) return [`${file} is no UTF-8 text (PowerShell's > writes UTF-16); save it as UTF-8`];
  const problems: string[] = [];
  for (const { line, value } of logicalLines(text)) {
    const at = `${file} line ${line}`;
    if (INDEX.test(value)) {
      if (/:\/\/[^/\s]*@/.test(value))
        problems.push(`${at}: an index address holds a user name or password; leave it out of the package`);
      continue;
    }
    if (/^(-r|--requirement|-c|--constraint)\b/.test(value)) {
      problems.push(`${at}: "${shown(value)}" points to another file; ${LOCK} puts everything in one`);
      continue;
    }
    if (/^(-e|--editable)\b/.test(value)) {
      problems.push(`${at}: "${shown(value)}" is editable and has no hash; put the code into the package itself`);
      continue;
    }
    if (/^--trusted-host\b/.test(value)) {
      problems.push(`${at}: "${shown(value)}" switches the check of certificates off; remove it`);
      continue;
    }
    if (HARMLESS.test(value)) continue;
    if (value.startsWith("-")) {
      problems.push(`${at}: unknown option "${shown(value)}"`);
      continue;
    }
    const requirement = value.replace(/\s--hash=\S+/g, "").trim();
    const odd = elsewhere(requirement);
    if (odd) problems.push(`${at}: "${shown(requirement)}" ${odd}`);
    else if (!PIN.test(requirement))
      problems.push(`${at}: "${shown(requirement)}" is not pinned to one version; ${LOCK}`);
    else if (!HASH.test(value)) problems.push(`${at}: "${shown(requirement)}" has no --hash=sha256:…; ${LOCK}`);
  }
  return problems;
}

/** Why a line can have no hash, whatever tool locks it. */
function elsewhere(requirement: string): string | undefined {
  const code = "put the code into the package itself";
  if (/(^|@\s*)(git|hg|svn|bzr)\+/.test(requirement)) return `comes out of a repository and has no hash; ${code}`;
  if (/^(\.{0,2}\/|\.{1,2}$|[A-Za-z]:[\\/])|(^|@\s*)file:/.test(requirement)) {
    return `is a file of this computer, which the machine does not have; ${code}`;
  }
  if (/\$\{?\w/.test(requirement)) return "holds a variable, which the machine does not have; write its value";
  if (/(^|@\s*)http:\/\//.test(requirement)) return "is fetched without encryption; use its https:// address";
  return undefined;
}

/** Lines without comments, continued ones joined, under the number of their first. */
function logicalLines(text: string): { line: number; value: string }[] {
  const found: { line: number; value: string }[] = [];
  let open: { line: number; value: string } | undefined;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    const bare = raw.replace(/(^|\s)#.*$/, "");
    const continued = /\\\s*$/.test(bare);
    const part = bare.replace(/\\\s*$/, "").trim();
    if (open) open.value += ` ${part}`;
    else if (part || continued) open = { line: index + 1, value: part };
    if (open && !continued) {
      if (open.value.trim()) found.push({ line: open.line, value: open.value.trim() });
      open = undefined;
    }
  }
  if (open?.value.trim()) found.push({ line: open.line, value: open.value.trim() });
  return found;
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
