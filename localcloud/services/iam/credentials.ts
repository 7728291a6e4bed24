import { serviceAccount } from "../../core/access/records.ts";
import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { notModelled, rpcError } from "../../core/errors.ts";
import { Router } from "../../core/http.ts";
import { requireEnabled } from "../serviceusage/enabled.ts";
import { accountResource, findAccount } from "./accounts.ts";

const MAX_LIFETIME_SECONDS = 3600;

interface TokenRequest {
  scope?: string[];
  lifetime?: string;
  delegates?: string[];
}

/** IAM Credentials v1: a token of another service account, and who a token's caller is. */
export function credentialsService(cloud: Cloud): Router {
  const { state, access, tokens, now } = cloud;
  return new Router()
    .on("POST", "/iamcredentials/v1/projects/-/serviceAccounts/{account}:generateAccessToken", async (call) => {
      const account = findAccount(state, "-", call.params.account ?? "");
      // The path names no project, so that the front cannot ask for it.
      requireEnabled(cloud, "iamcredentials.googleapis.com", account.project);
      access.require(call.principal, "iam.serviceAccounts.getAccessToken", accountResource(account));
      const {
        scope = [],
        lifetime = "3600s",
        delegates = [],
      } = await readMembers<TokenRequest>(call, {
        scope: "texts",
        lifetime: "text",
        delegates: "texts",
      });
      if (delegates.length > 0) throw notModelled("a chain of delegates");
      if (scope.length === 0) throw rpcError(400, "Request contains an invalid argument: scope is empty.");
      const seconds = Number(/^(\d+)(\.\d+)?s$/.exec(lifetime)?.[1] ?? Number.NaN);
      if (!(seconds > 0 && seconds <= MAX_LIFETIME_SECONDS)) {
        throw rpcError(400, `The lifetime must be a duration of at most ${MAX_LIFETIME_SECONDS}s; got ${lifetime}.`);
      }
      if (account.disabled) throw rpcError(400, "Service account is disabled.", "FAILED_PRECONDITION");
      const token = tokens.issue({ kind: "serviceAccount", email: account.email, uniqueId: account.uniqueId }, seconds);
      return { json: { accessToken: token.access_token, expireTime: new Date(now() + seconds * 1000).toISOString() } };
    })
    .on("GET", "/oauth2/tokeninfo", (call) => {
      const { principal } = call;
      if (!("email" in principal)) return { json: { email: "operator", expires_in: "3600", access_type: "online" } };
      const unique = serviceAccount(state, principal.email)?.uniqueId;
      return {
        json: {
          ...(unique ? { azp: unique, aud: unique } : {}),
          email: principal.email,
          email_verified: "true",
          scope: "https://www.googleapis.com/auth/cloud-platform",
          access_type: "online",
        },
      };
    });
}
