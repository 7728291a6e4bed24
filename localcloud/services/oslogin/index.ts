import { createHash } from "node:crypto";
import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { rpcError } from "../../core/errors.ts";
import { type Call, Router } from "../../core/http.ts";
import { ensureUser, type LoginUser, liveKeys, posixAccount, type SshKey, saveUser, userOf } from "./users.ts";

const KEY = { key: "text", expirationTimeUsec: "text", fingerprint: "text", name: "text" } as const;
const ONE_KEY = "/oslogin/v1/users/{user}/sshPublicKeys/{fingerprint}";

/** OS Login v1: the keys and the account with which someone logs in to machines. */
export function osLoginService(cloud: Cloud): Router {
  const { state, now } = cloud;

  /** Everybody has the keys of one user: oneself. The operator stands for all. */
  function email(call: Call): string {
    const wanted = (call.params.user ?? "").toLowerCase();
    const { principal } = call;
    const own = "email" in principal && principal.email.toLowerCase() === wanted;
    if (principal.kind !== "operator" && !own) {
      throw rpcError(403, "Permission denied: the caller may see and change only the login profile of itself.");
    }
    if (!/^[^\s@]+@[^\s@]+$/.test(wanted)) throw rpcError(400, `Invalid user ID: '${call.params.user}'.`);
    return wanted;
  }

  const shown = (user: LoginUser, key: SshKey) => ({
    ...key,
    name: `users/${user.id}/sshPublicKeys/${key.fingerprint}`,
  });

  function profile(user: LoginUser, project: string): object {
    const keys = Object.entries(liveKeys(user, now())).map(([name, key]) => [name, shown(user, key)]);
    const account = { ...posixAccount(user, project), name: `users/${user.id}/projects/${project}` };
    return {
      name: user.id,
      posixAccounts: [account],
      ...(keys.length > 0 ? { sshPublicKeys: Object.fromEntries(keys) } : {}),
    };
  }

  /** Without a project Google takes the user's own; here there is one that counts. */
  const projectIn = (call: Call) => call.query.get("projectId") ?? call.query.get("project") ?? "";

  async function importKey(call: Call): Promise<{ user: LoginUser; key: SshKey }> {
    const owner = email(call);
    const { key, expirationTimeUsec } = await readMembers<Partial<SshKey> & { name?: string }>(call, KEY);
    if (!key || !/^(ssh-(rsa|ed25519)|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/]+={0,2}( .*)?$/.test(key.trim())) {
      throw rpcError(
        400,
        "Invalid SSH public key: it must be a line as in authorized_keys, such as 'ssh-ed25519 AAAA…'.",
      );
    }
    if (expirationTimeUsec !== undefined && !(Number(expirationTimeUsec) / 1000 > now())) {
      throw rpcError(400, "Invalid expiration time: it must lie in the future, in microseconds since 1970.");
    }
    const text = key.trim();
    const fingerprint = createHash("sha256").update(text).digest("hex");
    const kept = { key: text, fingerprint, ...(expirationTimeUsec ? { expirationTimeUsec } : {}) };
    const user = ensureUser(state, owner);
    return { user: saveUser(state, { ...user, keys: { ...user.keys, [fingerprint]: kept } }), key: kept };
  }

  function own(call: Call): { user: LoginUser; key: SshKey } {
    const user = userOf(state, email(call));
    const key = user?.keys[call.params.fingerprint ?? ""];
    if (!user || !key) throw rpcError(404, `SSH key '${call.params.fingerprint}' not found.`);
    return { user, key };
  }

  return new Router()
    .on("GET", "/oslogin/v1/users/{user}/loginProfile", (call) => {
      const wanted = email(call);
      const user = userOf(state, wanted);
      return { json: user ? profile(user, projectIn(call)) : { name: wanted } };
    })
    .on("POST", "/oslogin/v1/users/{user}:importSshPublicKey", async (call) => {
      const { user } = await importKey(call);
      return { json: { loginProfile: profile(user, projectIn(call)) } };
    })
    .on("POST", "/oslogin/v1/users/{user}/sshPublicKeys", async (call) => {
      const { user, key } = await importKey(call);
      return { json: shown(user, key) };
    })
    .on("GET", ONE_KEY, (call) => {
      const { user, key } = own(call);
      return { json: shown(user, key) };
    })
    .on("DELETE", ONE_KEY, (call) => {
      const { user, key } = own(call);
      const { [key.fingerprint]: _gone, ...keys } = user.keys;
      saveUser(state, { ...user, keys });
      return { json: {} };
    });
}
