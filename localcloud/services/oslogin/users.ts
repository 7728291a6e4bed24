import { createHash } from "node:crypto";
import { serviceAccount } from "../../core/access/records.ts";
import type { Policy, Principal } from "../../core/access.ts";
import type { Cloud } from "../../core/cloud.ts";
import { numericId } from "../../core/operations.ts";
import type { State } from "../../core/state.ts";
import { OPERATOR_EMAIL } from "../../operator-metadata.ts";
import { split } from "../compute/links.ts";
import type { Instance } from "../compute/types.ts";

export interface SshKey {
  key: string;
  fingerprint: string;
  /** Microseconds since 1970, in decimal digits. */
  expirationTimeUsec?: string;
}

/** Someone's account on machines with OS Login. */
export interface LoginUser {
  email: string;
  /** Google's number of the user. */
  id: string;
  username: string;
  uid: number;
  keys: Record<string, SshKey>;
}

const users = (state: State) => state.collection<LoginUser>("oslogin.users");

export function userOf(state: State, email: string): LoginUser | undefined {
  return users(state).get(email.toLowerCase());
}

export function saveUser(state: State, user: LoginUser): LoginUser {
  return users(state).set(user.email, user);
}

/**
 * Google's numbers lie far above these; a container has only 65,536. Below are the accounts that machines make
 * themselves, above is `nobody`.
 */
const FIRST_UID = 20_000;
const UIDS = 40_000;

/** The account of whoever has the e-mail, made when it is first needed. */
export function ensureUser(state: State, given: string): LoginUser {
  const email = given.toLowerCase();
  const known = userOf(state, email);
  if (known) return known;
  const all = users(state).values();
  const username = free(usernameOf(state, email), (name) => all.some((user) => user.username === name));
  let uid = FIRST_UID + (createHash("sha256").update(email).digest().readUInt32BE() % UIDS);
  while (all.some((user) => user.uid === uid)) uid = FIRST_UID + ((uid - FIRST_UID + 1) % UIDS);
  return saveUser(state, { email, id: serviceAccount(state, email)?.uniqueId ?? numericId(), username, uid, keys: {} });
}

/** `ann.b@example.com` is `ann_b_example_com`, a service account `sa_` and its number: at most 32 characters. */
function usernameOf(state: State, email: string): string {
  const account = serviceAccount(state, email);
  const name = account ? `sa_${account.uniqueId}` : email.replace(/[^a-z0-9]/g, "_");
  return (/^[a-z_]/.test(name) ? name : `_${name}`).slice(0, 32);
}

function free(wanted: string, taken: (name: string) => boolean): string {
  let name = wanted;
  for (let number = 2; taken(name); number += 1) name = `${wanted.slice(0, 32 - String(number).length)}${number}`;
  return name;
}

/** Keys that have not expired. */
export function liveKeys({ keys }: LoginUser, now: number): Record<string, SshKey> {
  const live = Object.entries(keys).filter(
    ([, { expirationTimeUsec }]) => expirationTimeUsec === undefined || Number(expirationTimeUsec) / 1000 > now,
  );
  return Object.fromEntries(live);
}

export function posixAccount({ username, uid }: LoginUser, project: string): object {
  return {
    primary: true,
    username,
    uid: String(uid),
    gid: String(uid),
    homeDirectory: `/home/${username}`,
    shell: "/bin/bash",
    operatingSystemType: "LINUX",
    accountId: project,
  };
}

/** Who has an e-mail, as access decisions know them. */
export function principalOf(email: string): Principal {
  if (email === OPERATOR_EMAIL) return { kind: "operator" };
  return { kind: email.endsWith(".gserviceaccount.com") ? "serviceAccount" : "user", email };
}

/**
 * Whether someone may log in to a machine, or be root on it. Whoever can log in can be the machine's service account,
 * so the right to act as it is needed too (cloud.google.com/compute/docs/oslogin/set-up-oslogin, read 2026-11-21).
 */
export function mayLogIn({ access, state }: Cloud, path: string, email: string, admin: boolean): boolean {
  const instance = state.collection<Instance>("compute.instances").get(path);
  if (!instance) return false;
  const { project } = split(path);
  const principal = principalOf(email);
  const policy = state.collection<Policy>("compute.policies").get(path);
  const machine = {
    service: "compute.googleapis.com",
    type: "compute.googleapis.com/Instance",
    name: path,
    project,
    policies: policy ? [policy] : [],
  };
  const permissions = admin ? ["osAdminLogin"] : ["osLogin", "osAdminLogin"];
  if (!permissions.some((name) => access.allowed(principal, `compute.instances.${name}`, machine))) return false;
  return (instance.serviceAccounts ?? []).every((one) => {
    const account = serviceAccount(state, one.email);
    return access.allowed(principal, "iam.serviceAccounts.actAs", {
      service: "iam.googleapis.com",
      type: "iam.googleapis.com/ServiceAccount",
      name: `projects/${account?.project ?? project}/serviceAccounts/${one.email}`,
      project: account?.project ?? project,
      policies: account ? [account.policy] : [],
    });
  });
}

export interface LoginProfiles {
  /** One user's, or all. */
  profiles(by: { username?: string; uid?: string }): object[];
  authorize(email: string, policy: string): boolean;
}

/** What a machine's metadata server says of OS Login. */
export function loginProfiles(cloud: Cloud, path: string): LoginProfiles {
  const { project } = split(path);
  return {
    profiles: ({ username, uid }) =>
      users(cloud.state)
        .values()
        .filter((user) => (username ? user.username === username : uid ? String(user.uid) === uid : true))
        .map((user) => ({
          name: user.email,
          posixAccounts: [posixAccount(user, project)],
          sshPublicKeys: liveKeys(user, cloud.now()),
        })),
    authorize: (email, policy) => mayLogIn(cloud, path, email, policy === "adminLogin"),
  };
}
