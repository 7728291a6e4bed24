import type { Principal } from "../access.ts";
import type { State } from "../state.ts";
import { serviceAccount } from "./records.ts";

/** What the text of an IAM member may look like, by its prefix. */
const SHAPES: Record<string, RegExp> = {
  user: /^[^\s@:]+@[^\s@:]+\.[^\s@:]+$/,
  serviceAccount: /^[^\s@]+@[^\s@:]+\.[^\s@:]+$|^[a-z][-a-z0-9.:]+\.svc\.id\.goog\[[-a-z0-9]+\/[-a-z0-9]+\]$/,
  group: /^[^\s@:]+@[^\s@:]+\.[^\s@:]+$/,
  domain: /^[a-z0-9.-]+\.[a-z]{2,}$/i,
  projectOwner: /^[a-z][-a-z0-9:.]+$/,
  projectEditor: /^[a-z][-a-z0-9:.]+$/,
  projectViewer: /^[a-z][-a-z0-9:.]+$/,
  principal: /^\/\/iam\.googleapis\.com\/\S+$/,
  principalSet: /^\/\/iam\.googleapis\.com\/\S+$|^\/\/cloudresourcemanager\.googleapis\.com\/\S+$/,
  deleted: /^(user|serviceAccount|group):[^\s?]+\?uid=\d+$/,
};

export const PUBLIC_MEMBERS: ReadonlySet<string> = new Set(["allUsers", "allAuthenticatedUsers"]);

/** Why `member` is none, or `undefined`. Whether it exists is another question. */
export function malformedMember(member: string): string | undefined {
  if (PUBLIC_MEMBERS.has(member)) return undefined;
  const at = member.indexOf(":");
  if (at < 0) return `The member ${member} is of an unknown type. Please set a valid type prefix for the member.`;
  const shape = SHAPES[member.slice(0, at)];
  if (!shape) return `The member ${member} is of an unknown type. Please set a valid type prefix for the member.`;
  return shape.test(member.slice(at + 1))
    ? undefined
    : `Invalid member ${member}: the part after its type is not valid.`;
}

/** The members of `group`, as the person who runs the local cloud has said. */
export function groupMembers(state: State, group: string): string[] {
  return state.collection<string[]>("iam.groups").get(group.toLowerCase()) ?? [];
}

/** Whether `member` of a policy in `project` stands for `principal`. */
export function isMember(
  state: State,
  member: string,
  principal: Principal,
  holdsBasic: (role: string) => boolean,
): boolean {
  if (member === "allUsers") return true;
  if (principal.kind === "anonymous" || principal.kind === "operator") return false;
  if (member === "allAuthenticatedUsers") return true;
  const at = member.indexOf(":");
  const prefix = member.slice(0, at);
  const value = member.slice(at + 1).toLowerCase();
  const email = principal.email.toLowerCase();
  switch (prefix) {
    case "user":
      return principal.kind === "user" && value === email;
    case "serviceAccount":
      return principal.kind === "serviceAccount" && value === email;
    case "group":
      return groupMembers(state, value).some((name) => name !== member && isMember(state, name, principal, holdsBasic));
    case "domain":
      return principal.kind === "user" && email.endsWith(`@${value}`);
    case "projectOwner":
      return holdsBasic("roles/owner");
    case "projectEditor":
      return holdsBasic("roles/editor");
    case "projectViewer":
      return holdsBasic("roles/viewer");
    case "principal": {
      if (principal.kind !== "serviceAccount") return false;
      // The newer spelling of one service account: //iam.googleapis.com/projects/-/serviceAccounts/UNIQUE_ID
      const id = /^\/\/iam\.googleapis\.com\/projects\/[^/]+\/serviceaccounts\/([^/]+)$/.exec(value)?.[1];
      return id !== undefined && (id === email || id === serviceAccount(state, email)?.uniqueId);
    }
    default:
      return false; // deleted members and foreign identity pools stand for nobody who can call here
  }
}
