import type { AuthClient } from "google-auth-library";

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/**
 * A client for a token that somebody else obtained: `GOOGLE_OAUTH_ACCESS_TOKEN`, the variable that Terraform's and
 * Pulumi's Google providers read. `undefined`: there is none, and Google's libraries look for a login themselves.
 */
export async function givenCredentials(): Promise<AuthClient | undefined> {
  const token = process.env.GOOGLE_OAUTH_ACCESS_TOKEN?.trim();
  if (!token) return undefined;
  const { OAuth2Client } = await import("google-auth-library");
  const client = new OAuth2Client();
  client.setCredentials({ access_token: token });
  return client;
}

/** What a Google client library takes as `auth`: the given token, else the login that Google's libraries find. */
export async function credentials() {
  const { GoogleAuth } = await import("google-auth-library");
  const authClient = await givenCredentials();
  return new GoogleAuth(authClient ? { authClient } : { scopes: [SCOPE] });
}
