const PRIVATE_KEY =
  /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\r|\\n|\\\\n)+(?:[A-Za-z-]+:[^\n]*\n+)*[A-Za-z0-9+/=]{24}/;
const KEY_NAMES = /^(id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.*\.(p12|pfx|jks|keystore|ppk))$/i;
const SECRET_WORD = /(SECRET|TOKEN(?!S)|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)/i;
const TOKENS: readonly [RegExp, string][] = [
  [/\bgh[pousr]_[A-Za-z0-9]{36,}\b/, "a GitHub token"],
  [/\bgithub_pat_[A-Za-z0-9_]{50,}\b/, "a GitHub token"],
  [/\bAIza[0-9A-Za-z_-]{35}\b/, "a Google API key"],
  [/\bGOOG1E[A-Z0-9]{55}\b/, "a Cloud Storage HMAC key"],
  [/\bhf_[A-Za-z0-9]{34,}\b/, "a Hugging Face token"],
  [/\bsk-(?:proj|ant|svcacct)-[A-Za-z0-9_-]{30,}/, "an API key"],
  [/\bsk-[A-Za-z0-9]{40,}\b/, "an API key"],
  [/\baws_secret_access_key\s*[=:]\s*["']?[A-Za-z0-9/+]{30,}/i, "an AWS key"],
  [/\bya29\.[0-9A-Za-z_-]{40,}/, "a Google access token"],
];

/** How much of a file is looked at: keys are small files. */
export const SNIFF_BYTES = 256 * 1024;

/**
 * What secret a file holds, by its name and its first bytes; `undefined` if it looks harmless. A package is kept for
 * ever under its checksum and read by every machine: a key in it is a key given away.
 */
export function secretIn(path: string, head: Buffer): string | undefined {
  const name = path.split("/").at(-1) ?? path;
  if (KEY_NAMES.test(name)) return "a private key, by its name";
  if (/^(credentials|access_tokens)\.db$/.test(name)) return "a gcloud login, by its name";
  if (head.subarray(0, 8192).includes(0)) return undefined;
  const text = head.toString("utf8");
  if (/^\s*\{/.test(text)) {
    if (/"type"\s*:\s*"service_account"/.test(text) && /"private_key"\s*:\s*"/.test(text))
      return "a service account key";
    if (/"refresh_token"\s*:\s*"/.test(text)) return "a login (refresh token)";
    if (/"client_secret"\s*:\s*"/.test(text)) return "an OAuth client secret";
    if (/"auths"\s*:/.test(text) && /"(auth|identitytoken)"\s*:\s*"[^"]/.test(text)) return "a registry's password";
    if (name === "kaggle.json" && /"key"\s*:/.test(text)) return "a Kaggle key";
  }
  if (PRIVATE_KEY.test(text)) return "a private key";
  if (/^\s*client-key-data:\s*\S/m.test(text) || (/^kind:\s*Config\b/m.test(text) && /^\s+token:\s*\S/m.test(text))) {
    return "a Kubernetes login";
  }
  if (/^\.env(\..+)?$|\.env$/.test(name) && !/\.(example|sample|template)$/.test(name)) {
    const key = secretVariable(text);
    if (key) return `a secret (${key})`;
  }
  if (/^[._]netrc$/.test(name) && /\bpassword\s+\S+/.test(text)) return "a password";
  if (name === ".pypirc" && /^\s*password\s*[:=]/m.test(text)) return "a password";
  if (name === ".git-credentials" && /:\/\/[^\s/]+@/.test(text)) return "a password";
  return TOKENS.find(([pattern]) => pattern.test(text))?.[1];
}

/** The first variable of an .env file that is named like a secret and has a value. */
function secretVariable(text: string): string | undefined {
  for (const line of text.split(/\r?\n/)) {
    const parts = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    const value = parts?.[2]?.replace(/^(["'])(.*)\1$/, "$2");
    if (parts?.[1] && value && SECRET_WORD.test(parts[1]) && !/^(<.*>|\$\{?.*|changeme|xxx+|\.\.\.)$/i.test(value)) {
      return parts[1];
    }
  }
  return undefined;
}
