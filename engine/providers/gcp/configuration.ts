import { Client, endpointKey, endpointVariable, type Product } from "./client.ts";
import type { Context } from "./resource.ts";
import type { Place } from "./schema.ts";
import { isObject, type Props, text } from "./values.ts";

/** What one engine has configured: endpoints, project, region, zone, labels. Never shared between connections. */
export interface Configuration {
  client: Client;
  place: Partial<Place>;
  accessToken: string;
}

export type Environment = Record<string, string | undefined>;

const PRODUCTS: Product[] = ["compute", "storage", "iam", "serviceUsage", "resourceManager", "iap", "container"];

/** The variables that the real provider reads where its configuration says nothing. */
const VARIABLES = {
  project: ["GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"],
  region: ["GOOGLE_REGION", "GCLOUD_REGION", "CLOUDSDK_COMPUTE_REGION"],
  zone: ["GOOGLE_ZONE", "GCLOUD_ZONE", "CLOUDSDK_COMPUTE_ZONE"],
  accessToken: ["GOOGLE_OAUTH_ACCESS_TOKEN"],
};

/** Reads the arguments of `Configure`; the program's configuration wins over the environment. */
export function configure(args: Props, environment: Environment): Configuration {
  const setting = (name: keyof typeof VARIABLES): string | undefined =>
    text(args[name]) || VARIABLES[name].map((variable) => environment[variable]).find(Boolean);
  const endpoints: Partial<Record<Product, string>> = {};
  for (const product of PRODUCTS) {
    const endpoint = text(args[endpointKey(product)]) || environment[endpointVariable(product)];
    if (endpoint) endpoints[product] = endpoint;
  }
  const accessToken = setting("accessToken") ?? "";
  const attribution = text(args.addPulumiAttributionLabel) !== "false";
  const labels = {
    ...(attribution ? { "goog-pulumi-provisioned": "true" } : {}),
    ...(decoded(args.defaultLabels) as Record<string, string>),
  };
  const place = { project: setting("project"), region: setting("region"), zone: setting("zone"), labels };
  return { client: new Client({ endpoints, accessToken }), place, accessToken };
}

/** An object among the arguments, which the engine may have written as JSON text. */
function decoded(value: unknown): Props {
  const object = typeof value === "string" && value !== "" ? (JSON.parse(value) as unknown) : value;
  return isObject(object) ? object : {};
}

/** What the arguments of `CheckConfig` have wrong. */
export function configurationProblems(args: Props): { property: string; reason: string }[] {
  return PRODUCTS.map(endpointKey)
    .filter((key) => args[key] !== undefined && !/.*\/[^/]+\/$/.test(text(args[key])))
    .map((property) => ({
      property,
      reason: `invalid endpoint "${text(args[property])}": it must end with a version and a slash, such as …/v1/`,
    }));
}

/** Where a resource belongs: its own inputs, then the last state, then the provider's configuration. */
export function placeOf(configuration: Configuration, inputs: Props): Place {
  const own = (name: "project" | "region" | "zone") => text(inputs[name]).split("/").pop() || undefined;
  const zone = own("zone") ?? configuration.place.zone;
  return {
    project: own("project") ?? configuration.place.project ?? "",
    region: own("region") ?? (own("zone") ? regionOf(own("zone")) : (configuration.place.region ?? regionOf(zone))),
    zone,
    labels: configuration.place.labels,
  };
}

function regionOf(zone: string | undefined): string | undefined {
  return zone?.replace(/-[a-z]$/, "");
}

const DEFAULT_TIMEOUT_MS = 20 * 60 * 1000;

export function contextOf(configuration: Configuration, inputs: Props, timeoutSeconds = 0): Context {
  return {
    client: configuration.client,
    place: placeOf(configuration, inputs),
    timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : DEFAULT_TIMEOUT_MS,
  };
}
