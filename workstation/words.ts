// What gcloud and ssh say when they do not get through, in the user's words: what is missing, and who can give it.
import { messageOf, UserError } from "../training/errors.ts";
import type { Target } from "./ssh.ts";

/** What ssh ends with when it is ssh that failed, not the command (plink, on Windows, ends with 1). */
const SSH_FAILED = 255;

/** How somebody becomes one of those who may connect. */
const PEOPLE =
  "Whoever keeps the environment adds you: `people` in mltraining:workstation (user:YOUR-ADDRESS), then pulumi up.";

interface Reading {
  pattern: RegExp;
  words: (target: Target, found: RegExpExecArray) => string;
}

const READINGS: readonly Reading[] = [
  {
    // What gcloud says of Identity-Aware Proxy's codes: lib/googlecloudsdk/api_lib/compute/iap_tunnel_websocket.py.
    pattern: /\[4033: '([^']*)'\]/,
    words: ({ name }) =>
      `Identity-Aware Proxy does not let you in to ${name}: you need roles/iap.tunnelResourceAccessor on it. ${PEOPLE}`,
  },
  {
    pattern: /\[(4003|4010): '([^']*)'\]/,
    words: ({ name }) =>
      `${name} does not answer on its SSH port: it still boots, is being switched off, or its firewall lets Identity-Aware Proxy (35.235.240.0/20) no longer in. See \`mlt status\` and \`mlt serial\`; \`pulumi up\` puts the firewall right.`,
  },
  {
    pattern: /\[4047: '([^']*)'\]/,
    words: ({ name, zone }) =>
      `Identity-Aware Proxy finds no running machine ${name} in ${zone}. See \`mlt status\`; \`mlt start\` starts it.`,
  },
  {
    pattern: /Permission denied \([^)]*publickey/,
    words: ({ name, project }) =>
      `${name} refuses your login. It needs roles/compute.osAdminLogin (or osLogin) on the machine and roles/iam.serviceAccountUser on its service account, and, for an account outside the organisation of ${project}, roles/compute.osLoginExternalUser on the organisation. ${PEOPLE} \`mlt doctor\` says which account gcloud uses.`,
  },
  {
    pattern:
      /do not currently have an active account|gcloud auth login|[Rr]eauthentication|invalid_grant|refreshing your current auth tokens/,
    words: () =>
      "gcloud has no login that Google accepts; it has one of its own, besides that of mlt. Log in with: gcloud auth login",
  },
  {
    pattern:
      /(?:API \[([a-z]+)\.googleapis\.com\] not enabled|([A-Za-z -]+) API has not been used in project|SERVICE_DISABLED)/,
    words: ({ project }) =>
      `An API that this needs is off in ${project}. Switch it on: gcloud services enable iap.googleapis.com compute.googleapis.com oslogin.googleapis.com --project ${project}`,
  },
  {
    pattern: /Required '([A-Za-z.]+)' permission/,
    words: ({ name, project }, [, permission]) =>
      `You lack ${permission}, which connecting to ${name} needs (project ${project}). ${PEOPLE}`,
  },
  {
    pattern: /The resource '[^']*' was not found|could not be found|Could not fetch resource/,
    words: ({ name, zone, project }) =>
      `There is no machine ${name} in ${zone} (project ${project}). If it should be there, \`pulumi up --refresh\` makes it anew.`,
  },
  {
    pattern: /(?:[Aa]ddress already in use|cannot listen to port|Could not request local forwarding|unable to listen)/,
    words: () => "Another program took the port meanwhile. Try again, or name another with --port.",
  },
  {
    pattern: /(?:lacks SSH|ssh.*No such file|MissingCommandError)/,
    words: () => "gcloud finds no ssh on this computer. Install OpenSSH's client (package openssh-client).",
  },
  {
    pattern: /sudo: a password is required|not allowed to execute|may not run sudo/,
    words: ({ name }) =>
      `${name} does not let you work as its user ml yet: its set-up has not come so far, or has failed. See: mlt status`,
  },
  {
    pattern: /mlt-exec: (?:command )?not found|mlt-exec: No such file/,
    words: ({ name }) =>
      `${name} has no mlt-exec yet: its set-up has not come so far, or it was made by an older version (\`pulumi up\`, then \`mlt stop\` and \`mlt start\`). See: mlt status`,
  },
];

/** The one sentence for what gcloud said; `undefined` where it says nothing that is known. */
export function wordsFor(said: string, target: Target): string | undefined {
  for (const { pattern, words } of READINGS) {
    const found = pattern.exec(said);
    if (found) return words(target, found);
  }
  return undefined;
}

/** The error for a call of gcloud that ended badly. Its own lines were shown already. */
export function gcloudFailed(what: string, code: number, said: string, target: Target): UserError {
  const known = wordsFor(said, target);
  if (known) return new UserError(known);
  const last = said
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(Recommendation|To check for|To investigate|gcloud compute ssh )/.test(line))
    .at(-1);
  const why = last ? `: ${messageOf(new Error(last))}` : "";
  const hint = code === SSH_FAILED ? ` What stands in the way, Google can look for: ${troubleshoot(target)}` : "";
  return new UserError(`${what} failed (gcloud ended with ${code}${why}).${hint}`, 70);
}

function troubleshoot({ name, project, zone }: Target): string {
  return `gcloud compute ssh ${name} --project ${project} --zone ${zone} --tunnel-through-iap --troubleshoot`;
}

/** Whether it was the connection that failed, so that another may do better. */
export function isConnectionLost(code: number, platform: NodeJS.Platform = process.platform): boolean {
  return code === SSH_FAILED || (platform === "win32" && code === 1);
}
