// Students hold no rights in the project themselves: Compute Engine is asked as the environment's service account, with
// tokens that Google's IAM Credentials API makes for whoever may have them.
import type { AuthClient, GoogleAuth } from "google-auth-library";
import { login, loginHeaders } from "./auth.ts";
import type { Environment } from "./contract.ts";
import { iamCredentialsRoot } from "./endpoints.ts";
import { explained, LOGIN, messageOf, retrying, statusOf, UserError } from "./errors.ts";

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const ACCOUNT = /^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.:-]+\.iam\.gserviceaccount\.com$/;

let acting: string | undefined;

/**
 * From now on this process asks Compute Engine as the environment's service account, if the environment says so. One
 * process works in one environment: the last call counts. `MLT_IMPERSONATE=none` keeps one's own rights, as an instructor
 * has them.
 * @returns the account, `undefined` for none
 */
export function actFor(
  environment: Pick<Environment, "environment" | "serviceAccount" | "student">,
): string | undefined {
  const account = environment.student?.impersonate;
  acting = account && !ownRights() ? checked(account, environment) : undefined;
  return acting;
}

/** The account that this process acts as; `undefined`: the login's own. */
export function actingAs(): string | undefined {
  return acting;
}

function ownRights(): boolean {
  const value = process.env.MLT_IMPERSONATE?.trim();
  if (!value) return false;
  if (value === "none") return true;
  throw new UserError(
    `MLT_IMPERSONATE must be none, which keeps your own rights; got "${value}". Whom to act as is the environment's to say.`,
  );
}

/** Whoever may write environment.json names the account: it has to be the environment's own and nobody else's. */
function checked(
  account: string,
  { environment, serviceAccount }: Pick<Environment, "environment" | "serviceAccount">,
) {
  if (ACCOUNT.test(account) && account === serviceAccount) return account;
  throw new UserError(
    `environment.json of ${environment} names ${JSON.stringify(account)} to act as, which is not its own service account ${serviceAccount}. Nothing was asked in its name; the instructor's \`mlt course up\` writes the file anew.`,
  );
}

const known = new Map<string, { from: Promise<GoogleAuth>; auth: Promise<GoogleAuth> }>();

/** The login for Compute Engine: that of the account that this process acts as, else one's own. */
export async function computeLogin(): Promise<GoogleAuth> {
  if (!acting) return login();
  const account = acting;
  const from = login();
  const found = known.get(account);
  if (found?.from === from) return found.auth;
  const auth = from.then((own) => impersonated(own, account));
  known.set(account, { from, auth });
  // A refusal is asked for again: the right may be there by then.
  auth.catch(() => known.delete(account));
  return auth;
}

/** The headers that say who asks Compute Engine, for requests that no official client sends. */
export function computeHeaders(url: string): Promise<Headers> {
  return loginHeaders(url, computeLogin());
}

async function impersonated(own: GoogleAuth, account: string): Promise<GoogleAuth> {
  const { Compute, GoogleAuth, Impersonated } = await import("google-auth-library");
  const sourceClient: AuthClient = await own.getClient();
  // On a machine that runs as the account there is nobody else to become.
  if (sourceClient instanceof Compute && (await own.getCredentials()).client_email === account) return own;
  const authClient = quietly(
    () =>
      new Impersonated({
        sourceClient,
        targetPrincipal: account,
        targetScopes: [SCOPE],
        endpoint: iamCredentialsRoot(),
      }),
  );
  try {
    await retrying(() => authClient.getAccessToken());
  } catch (error) {
    throw refused(error, account);
  }
  return new GoogleAuth({ authClient, projectId: "_" });
}

/** The library warns of configurations from strangers; this one is made here, of our own parts. */
function quietly<T>(make: () => T): T {
  const { warn } = console;
  console.warn = () => undefined;
  try {
    return make();
  } finally {
    console.warn = warn;
  }
}

/** What is missing for a token of the account, and who can change it. */
function refused(error: unknown, account: string): unknown {
  const said = messageOf(error);
  const project = /@([^.]+)\./.exec(account)?.[1] ?? "";
  const doing = `Acting as ${account}`;
  if (/has not been used in project|SERVICE_DISABLED|accessNotConfigured|is disabled\. Enable/i.test(said)) {
    return new UserError(
      `${doing} is not possible: the IAM Service Account Credentials API is off. The instructor turns it on: gcloud services enable iamcredentials.googleapis.com --project ${project}`,
    );
  }
  if (statusOf(error) === 403 || /PERMISSION_DENIED|getAccessToken/i.test(said)) {
    return new UserError(
      `${doing} was refused (403): ${said}\nYour Google account needs roles/iam.serviceAccountTokenCreator on that service account, which the instructor's \`mlt course up\` grants; a new grant takes some minutes. Is it the account that the instructor has in the roster? Log in as another: ${LOGIN}\nWhoever has rights of their own in the project (an instructor) sets MLT_IMPERSONATE=none.`,
    );
  }
  if (statusOf(error) === 404 || /NOT_FOUND|Unknown service account/i.test(said)) {
    return new UserError(
      `${doing} is not possible: there is no such service account (any more). Ask the instructor whether this environment is still up.`,
    );
  }
  return explained(error, doing);
}
