import { existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { GoogleAuth } from "google-auth-library";
import { explained, LOGIN, messageOf, statusOf, Unreachable, UserError } from "./errors.ts";

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
/** On Google's machines the metadata server answers within milliseconds. */
const METADATA_MS = 1000;
/** Longer than any token takes to be had; a network that swallows packets would keep one for minutes. */
const TOKEN_MS = 20_000;

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
  if (/[^\x21-\x7e]/.test(token)) {
    throw new UserError(
      "GOOGLE_OAUTH_ACCESS_TOKEN must hold one token and nothing else; what it holds has spaces or line ends in it. Set it anew: export GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth print-access-token)",
    );
  }
  if (!token) await requireCredentials();
  const { GoogleAuth, OAuth2Client } = await import("google-auth-library");
  if (!token) return new GoogleAuth({ scopes: [SCOPE], projectId: "_" });
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: token });
  return new GoogleAuth({ authClient, projectId: "_" });
}

/** The headers that say who calls, for requests that no official client sends. */
export async function loginHeaders(url: string, from: Promise<GoogleAuth> = login()): Promise<Headers> {
  const auth = await from;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new Unreachable(
          "Google's login does not answer. Check the network (and the proxy or VPN, if you use one) and try again.",
        ),
      );
    }, TOKEN_MS);
  });
  try {
    return new Headers(await Promise.race([auth.getRequestHeaders(url), late]));
  } catch (error) {
    const told = explained(error, "This");
    if (told instanceof UserError || statusOf(told) !== undefined) throw told;
    // A key that is none, an account that is not whole: the library's own sentence names it.
    throw new UserError(`The Google login cannot be used: ${messageOf(error)}. Log in with: ${LOGIN}`);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Says at once what is missing or broken, where the library would look for a metadata server for seconds, or end with a
 * sentence for programmers.
 */
async function requireCredentials(): Promise<void> {
  const named = process.env.GOOGLE_APPLICATION_CREDENTIALS;
  if (named) return requireReadable(named, "GOOGLE_APPLICATION_CREDENTIALS");
  const file = credentialsFile();
  if (file && existsSync(file)) return requireReadable(file, undefined);
  const { GCE_METADATA_HOST, GCE_METADATA_IP, METADATA_SERVER_DETECTION } = process.env;
  const detection = METADATA_SERVER_DETECTION?.trim().toLowerCase();
  const there =
    detection === "none"
      ? false
      : Boolean(GCE_METADATA_HOST || GCE_METADATA_IP || detection) || onServerless() || (await metadataAnswers());
  if (!there) throw new UserError(noLogin());
}

export function noLogin(): string {
  const gcloud = findProgram("gcloud");
  const install = gcloud ? "" : " (gcloud is not installed here: https://cloud.google.com/sdk/docs/install)";
  return `This needs a Google login, and there is none on this computer. Log in with: ${LOGIN}${install}`;
}

/** Where `gcloud auth application-default login` leaves its file. */
export function credentialsFile(): string | undefined {
  const { CLOUDSDK_CONFIG, APPDATA, HOME } = process.env;
  if (CLOUDSDK_CONFIG) return join(CLOUDSDK_CONFIG, "application_default_credentials.json");
  const base = process.platform === "win32" ? APPDATA : HOME && join(HOME, ".config");
  return base ? join(base, "gcloud", "application_default_credentials.json") : undefined;
}

function requireReadable(file: string, variable: string | undefined): void {
  const from = variable ? `${variable} names it; ` : "";
  let type: unknown;
  try {
    type = (JSON.parse(readFileSync(file, "utf8")) as { type?: unknown } | null)?.type;
  } catch (error) {
    const why = error instanceof SyntaxError ? "is no JSON" : `cannot be read (${reason(error)})`;
    throw new UserError(`The file of the Google login, ${file}, ${why}. ${from}make it anew: ${LOGIN}`);
  }
  if (typeof type !== "string") {
    throw new UserError(
      `The file of the Google login, ${file}, holds no login (it has no "type"). ${from}make it anew: ${LOGIN}`,
    );
  }
}

function reason(error: unknown): string {
  const { code } = error as { code?: unknown };
  const words: Record<string, string> = { ENOENT: "there is none", EACCES: "not allowed", EISDIR: "it is a folder" };
  return words[String(code)] ?? messageOf(error);
}

/** Cloud Run and Cloud Functions, where the metadata server is always there. */
function onServerless(): boolean {
  return Boolean(process.env.K_SERVICE || process.env.CLOUD_RUN_JOB || process.env.FUNCTION_NAME);
}

async function metadataAnswers(): Promise<boolean> {
  try {
    const response = await fetch("http://169.254.169.254/computeMetadata/v1/instance/", {
      headers: { "metadata-flavor": "Google" },
      signal: AbortSignal.timeout(METADATA_MS),
    });
    await response.body?.cancel();
    return response.headers.get("metadata-flavor") === "Google";
  } catch {
    return false;
  }
}

/** A program on the search path, as the shell would find it. */
export function findProgram(
  name: string,
  variables: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const endings = process.platform === "win32" ? (variables.PATHEXT ?? ".EXE;.CMD;.BAT").split(";") : [""];
  for (const folder of (variables.PATH ?? "").split(delimiter).filter(Boolean)) {
    for (const ending of endings) {
      const file = join(folder, name + ending);
      try {
        const info = statSync(file);
        if (info.isFile() && (process.platform === "win32" || (info.mode & 0o111) !== 0)) return file;
      } catch {
        // Not there.
      }
    }
  }
  return undefined;
}
