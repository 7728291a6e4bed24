import { endpointVariable, type Product } from "./providers/gcp/client.ts";

/** Where the local cloud serves each product, as the real provider wants its endpoints: with a version and a slash. */
const PATHS: Record<Product, string> = {
  compute: "compute/beta/",
  storage: "storage/v1/",
  iam: "iam/v1/",
  serviceUsage: "su/v1beta1/",
  resourceManager: "crm/v1/",
  iap: "iap/v1/",
  container: "container/v1beta1/",
};

export interface LocalCloudAddress {
  /** `http://127.0.0.1:PORT` of the local cloud's operator listener, or of the other one with a token. */
  url: string;
  /** Google's provider wants some token; the operator listener takes any that is the operator's, and none. */
  accessToken?: string;
}

/** The variables with which the gcp provider, attached or real, and gcloud's endpoints reach a local cloud. */
export function providerEnvironment({ url, accessToken }: LocalCloudAddress): Record<string, string> {
  const root = url.endsWith("/") ? url : `${url}/`;
  const endpoints = Object.entries(PATHS).map(([product, path]) => [endpointVariable(product as Product), root + path]);
  return { ...Object.fromEntries(endpoints), ...(accessToken ? { GOOGLE_OAUTH_ACCESS_TOKEN: accessToken } : {}) };
}

/**
 * Keeps the real provider on this machine: it asks Google who its token belongs to, and without a network each of
 * those calls is tried for five minutes, while a refused connection ends at once.
 */
export const STAY_LOCAL: Readonly<Record<string, string>> = {
  HTTPS_PROXY: "http://127.0.0.1:9",
  NO_PROXY: "127.0.0.1,localhost",
  // It would ask Google itself, whatever its endpoints are, whether gcp:region is a region.
  PULUMI_GCP_SKIP_REGION_VALIDATION: "true",
};
