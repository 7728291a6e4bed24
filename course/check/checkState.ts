import { access, constants, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { call, Refused } from "../../cleanup/rest.ts";
import { messageOf, UserError } from "../../training/errors.ts";
import { fileReason } from "../../training/files.ts";
import type { Course } from "../contract.ts";
import { findPulumi } from "../pulumi/pulumiCommand.ts";
import { readRecord } from "../record.ts";
import { type CheckItem, unseen } from "./checkItem.ts";

/** What instructors do with the states' objects. */
const STATE_PERMISSIONS = [
  "storage.objects.create",
  "storage.objects.delete",
  "storage.objects.get",
  "storage.objects.list",
] as const;

/** Where the states lie, what encrypts them, and the program that writes them. */
export async function checkState(course: Course): Promise<CheckItem[]> {
  const state = course.state.startsWith("gs://") ? await checkBucket(course) : await checkFolder(course);
  return [...state, ...(await checkSecrets(course)), await checkPulumi()];
}

async function checkBucket(course: Course): Promise<CheckItem[]> {
  const name = "state";
  const [, bucket = ""] = /^gs:\/\/([^/]+)/.exec(course.state) ?? [];
  const [project = ""] = course.projects;
  try {
    const found = await call<{ versioning?: { enabled?: boolean }; location?: string }>("storage", `b/${bucket}`);
    const { permissions = [] } = await call<{ permissions?: string[] }>("storage", `b/${bucket}/iam/testPermissions`, {
      query: { permissions: STATE_PERMISSIONS },
    });
    const lacking = STATE_PERMISSIONS.filter((permission) => !permissions.includes(permission));
    if (lacking.length > 0) {
      const fix = `gcloud storage buckets add-iam-policy-binding gs://${bucket} --member user:YOU --role roles/storage.objectAdmin`;
      return [{ name, state: "missing", detail: `you lack ${lacking.join(", ")} on gs://${bucket}`, fix }];
    }
    const items: CheckItem[] = [await recordItem(course)];
    if (!found.versioning?.enabled) {
      items.push({
        name,
        state: "warn",
        detail: `gs://${bucket} keeps no versions: a state that is overwritten or deleted by mistake is gone`,
        fix: `gcloud storage buckets update gs://${bucket} --versioning`,
      });
    }
    return items;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) {
      return [
        {
          name,
          state: "missing",
          detail: `the bucket gs://${bucket} does not exist`,
          fix: `gcloud storage buckets create gs://${bucket} --project ${project} --location ${course.region} --uniform-bucket-level-access --public-access-prevention && gcloud storage buckets update gs://${bucket} --versioning`,
        },
      ];
    }
    return [unseen(undefined, name, `gs://${bucket}`, error)];
  }
}

/** That the course's record can be read, which also says whether the place is another course's. */
async function recordItem(course: Course): Promise<CheckItem> {
  try {
    const { places } = await readRecord(course);
    return { name: "state", state: "ok", detail: `${course.state}, ${Object.keys(places).length} places given` };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name: "state", state: "missing", detail: error.message };
  }
}

async function checkFolder(course: Course): Promise<CheckItem[]> {
  const folder = fileURLToPath(course.state);
  const probe = join(folder, `.mlt-check-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.R_OK | constants.W_OK);
    await writeFile(probe, "");
    await rm(probe, { force: true });
  } catch (error) {
    const why = fileReason(error) ?? messageOf(error);
    return [{ name: "state", state: "missing", detail: `${folder} cannot be written: ${why}` }];
  }
  const items = [await recordItem(course)];
  if (course.instructors.length > 1) {
    items.push({
      name: "state",
      state: "warn",
      detail: `lies on this computer, and there are ${course.instructors.length} instructors: the others see and change nothing`,
      fix: "state: gs://BUCKET in course.yaml, before the first up",
    });
  }
  return items;
}

async function checkSecrets({ secretsProvider, projects: [project = ""] }: Course): Promise<CheckItem[]> {
  const name = "secrets";
  if (secretsProvider === "passphrase") {
    const { PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE } = process.env;
    if (PULUMI_CONFIG_PASSPHRASE !== undefined || PULUMI_CONFIG_PASSPHRASE_FILE) {
      return [{ name, state: "ok", detail: "a passphrase is set" }];
    }
    const fix = "export PULUMI_CONFIG_PASSPHRASE=… (all instructors the same)";
    return [{ name, state: "missing", detail: "the states are encrypted with a passphrase, and none is set", fix }];
  }
  const key = secretsProvider.replace(/^gcpkms:\/\//, "");
  const [, owner = project, location = "", ring = "", id = ""] =
    /^projects\/([^/]+)\/locations\/([^/]+)\/keyRings\/([^/]+)\/cryptoKeys\/([^/]+)$/.exec(key) ?? [];
  try {
    await call("kms", key, { quotaProject: owner });
    const plaintext = Buffer.from("mlt course check").toString("base64");
    const post = { method: "POST", quotaProject: owner } as const;
    const { ciphertext } = await call<{ ciphertext?: string }>("kms", `${key}:encrypt`, {
      ...post,
      body: { plaintext },
    });
    const back = await call<{ plaintext?: string }>("kms", `${key}:decrypt`, { ...post, body: { ciphertext } });
    if (back.plaintext === plaintext) return [{ name, state: "ok", detail: `${key} encrypts and decrypts` }];
    return [{ name, state: "missing", detail: `${key} gives back something else than it was given` }];
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 404) {
      const [make, at] = ["gcloud kms", `--location ${location} --project ${owner}`];
      const fix = `${make} keyrings create ${ring} ${at}; ${make} keys create ${id} --keyring ${ring} --purpose encryption ${at}`;
      return [{ name, state: "missing", detail: `there is no key ${key}`, fix }];
    }
    if (error.status === 403 && !error.disabled) {
      const fix = `gcloud kms keys add-iam-policy-binding ${id} --keyring ${ring} --location ${location} --project ${owner} --member user:YOU --role roles/cloudkms.cryptoKeyEncrypterDecrypter`;
      return [{ name, state: "missing", detail: `you may not use the key ${key}: ${error.message}`, fix }];
    }
    return [unseen(owner, name, `the key ${key}`, error)];
  }
}

async function checkPulumi(): Promise<CheckItem> {
  const item = { name: "Pulumi" };
  try {
    const { version } = await findPulumi();
    return { ...item, state: "ok", detail: `${version ?? "found"}` };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...item, state: "missing", detail: error.message, fix: "https://www.pulumi.com/docs/install/" };
  }
}
