import type { GoogleAuth } from "google-auth-library";

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

let known: { from: string; auth: Promise<GoogleAuth> } | undefined;

/**
 * The login that every client here uses: `GOOGLE_OAUTH_ACCESS_TOKEN` (a token that somebody else obtained, the variable
 * of Terraform's and Pulumi's Google providers), else what Google's own rules find (variables, gcloud's file, the
 * metadata server). With a project given, the library does not start `gcloud` to find one, which would take longer than
 * most commands; nothing here uses it, since every call names its project or bucket.
 */
export function login(): Promise<GoogleAuth> {
  const { GOOGLE_OAUTH_ACCESS_TOKEN = "", GCE_METADATA_HOST = "" } = process.env;
  const from = `${GOOGLE_OAUTH_ACCESS_TOKEN}\n${GCE_METADATA_HOST}`;
  if (known?.from !== from) known = { from, auth: find(GOOGLE_OAUTH_ACCESS_TOKEN.trim()) };
  return known.auth;
}

async function find(token: string): Promise<GoogleAuth> {
  const { GoogleAuth, OAuth2Client } = await import("google-auth-library");
  if (!token) return new GoogleAuth({ scopes: [SCOPE], projectId: "_" });
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: token });
  return new GoogleAuth({ authClient, projectId: "_" });
}

/** The headers that say who calls, for requests that no official client sends. */
export async function loginHeaders(url: string): Promise<Headers> {
  return new Headers(await (await login()).getRequestHeaders(url));
}
