import http from "node:http";

const NAMES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
const HERE = ["127.0.0.1", "localhost", "::1"];

/** Lets Node's own `fetch` use the proxy that the variables name, as Google's clients do; for this machine none of them. */
export function useProxy(): void {
  if (!NAMES.some((name) => process.env[name])) return;
  const direct = (process.env.NO_PROXY ?? process.env.no_proxy ?? "").split(",").map((name) => name.trim());
  const names = [...new Set([...direct, ...HERE])].filter(Boolean).join(",");
  process.env.NO_PROXY = names;
  process.env.no_proxy = names;
  // Older Node cannot: there cli/mlt.js has started the one that `npm ci` brings.
  (http as { setGlobalProxyFromEnv?: (env: NodeJS.ProcessEnv) => void }).setGlobalProxyFromEnv?.(process.env);
}
