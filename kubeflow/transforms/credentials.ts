import { type KubeObject, nameOf, podSpecOf, withPodSpec } from "../objects.ts";

/** What the installation's own passwords are; each may be a value that is known later, and is kept as a secret. */
export interface Credentials {
  /** MySQL's `root`. */
  database: unknown;
  /** Of the object store in the cluster. */
  accessKey: unknown;
  secretKey: unknown;
}

const DATABASE = "mysql-secret";
const STORE = "mlpipeline-minio-artifact";

/** Names of the Secrets whose contents are replaced. They keep what they were made with. */
export const GENERATED_SECRETS: readonly string[] = [DATABASE, STORE];

/**
 * The manifests come with an empty password for MySQL's root and a well-known key for the object store. Both are
 * replaced; the values are in base64, as `data` has them, because what is in `stringData` is not kept under its name.
 */
export function withCredentials(objects: readonly KubeObject[], credentials: Credentials): KubeObject[] {
  return objects.map((object) => {
    switch (nameOf(object)) {
      case `Secret ${DATABASE}`:
        return secret(object, { username: base64("root"), password: credentials.database });
      case `Secret ${STORE}`:
        return secret(object, { accesskey: credentials.accessKey, secretkey: credentials.secretKey });
      case "Deployment mysql":
        return withPassword(object);
      default:
        return object;
    }
  });
}

function secret(object: KubeObject, data: Record<string, unknown>): KubeObject {
  const { stringData: _wellKnown, ...rest } = object;
  return { ...rest, type: "Opaque", data } as KubeObject;
}

/** MySQL sets the password of an empty data folder from this variable. */
function withPassword(object: KubeObject): KubeObject {
  if (!podSpecOf(object)?.containers[0]) return object;
  return withPodSpec(object, ({ containers: [container] }) => {
    if (!container) return;
    const others = (container.env ?? []).filter(({ name }) => name !== "MYSQL_ALLOW_EMPTY_PASSWORD");
    const valueFrom = { secretKeyRef: { name: DATABASE, key: "password" } };
    container.env = [...others, { name: "MYSQL_ROOT_PASSWORD", valueFrom }];
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
