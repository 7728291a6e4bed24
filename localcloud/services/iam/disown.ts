import { holdsMember, withDeletedMember } from "../../core/access/policy.ts";
import { ACCOUNTS, PROJECT_POLICIES, type ServiceAccount } from "../../core/access/records.ts";
import type { Policy } from "../../core/access.ts";
import type { State } from "../../core/state.ts";

/** Other services' records that hold an allow policy under `policy`. */
const POLICY_HOLDERS: readonly string[] = ["storage/buckets"];

/**
 * Marks a deleted service account in every policy that names it. A new account under the same e-mail is another
 * identity: it starts without any of the old one's rights.
 */
export function disown(state: State, { email, uniqueId }: ServiceAccount): void {
  const member = `serviceAccount:${email}`;
  const policies = state.collection<Policy>(PROJECT_POLICIES);
  for (const [project, policy] of policies.entries()) {
    if (holdsMember(policy, member)) policies.set(project, withDeletedMember(policy, email, uniqueId));
  }
  for (const collection of [ACCOUNTS, ...POLICY_HOLDERS]) {
    const holders = state.collection<{ policy?: Policy }>(collection);
    for (const [key, holder] of holders.entries()) {
      if (!holder.policy || !holdsMember(holder.policy, member)) continue;
      holders.set(key, { ...holder, policy: withDeletedMember(holder.policy, email, uniqueId) });
    }
  }
}
