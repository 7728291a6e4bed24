import type { Cloud } from "./core/cloud.ts";
import type { MetadataServerOptions } from "./metadata/server.ts";

/** How the operator is called where a client wants an e-mail address. */
export const OPERATOR_EMAIL = "operator@local.invalid";

/**
 * What a program on this machine finds when `GCE_METADATA_HOST` points here: Google's libraries then have a token of
 * the operator, without a login and without a key.
 */
export function operatorMetadata(
  { tokens }: Cloud,
  { project, projectNumber }: { project: string; projectNumber: string },
): MetadataServerOptions {
  const account = {
    aliases: ["default"],
    email: OPERATOR_EMAIL,
    scopes: ["https://www.googleapis.com/auth/cloud-platform"],
  };
  const tree = {
    instance: { "service-accounts": { default: account, [OPERATOR_EMAIL]: account } },
    project: { attributes: {}, "numeric-project-id": BigInt(projectNumber), "project-id": project },
  };
  return {
    tree: () => tree,
    onChange: () => () => {},
    issueToken: () => tokens.issue({ kind: "operator" }),
  };
}
