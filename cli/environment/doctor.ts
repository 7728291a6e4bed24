import { findProgram, login, loginHeaders } from "../../training/auth.ts";
import { serviceUsageRoot } from "../../training/endpoints.ts";
import { chosenEnvironment, type OpenEnvironment, openEnvironment } from "../../training/environment.ts";
import { explained, messageOf, UserError } from "../../training/errors.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { plain, printJson } from "../output/print.ts";

/** One thing that was looked at. `later`: not there, and not needed for what can be done now. */
export interface Check {
  name: string;
  state: "ok" | "missing" | "later";
  detail: string;
  /** The command or page that puts it right. */
  fix?: string;
}

/** What a training cannot do without; the program itself asks for more when it is brought up. */
const SERVICES = ["compute.googleapis.com", "storage.googleapis.com"];
const NODE_LTS = "https://nodejs.org/en/download";

/** Says what is missing for trainings on Google Cloud, each with what puts it right. Changes nothing. */
export async function doctor(options: CommonOptions & { kubeflow?: boolean }): Promise<number> {
  const checks: Check[] = [node()];
  const signedIn = await loginCheck();
  const found = await environmentCheck(options, signedIn.state === "ok");
  const hasWorkstation = found.environment?.workstation !== undefined;
  checks.push(gcloud(signedIn.state === "ok", hasWorkstation), signedIn, found.check);
  const project = projectCheck(found.environment);
  checks.push(project.check);
  if (project.id && signedIn.state === "ok") {
    const more = hasWorkstation ? await import("./doctorWorkstation.ts") : undefined;
    checks.push(await servicesCheck(project.id, [...SERVICES, ...(more?.WORKSTATION_SERVICES ?? [])]));
    if (more && found.environment) checks.push(...(await more.workstationChecks(found.environment)));
  }
  // Whoever has an environment trains without it; whoever has none makes one with it.
  checks.push(pulumi(found.environment !== undefined));
  if (options.kubeflow || found.environment?.kubeflow) {
    const { programChecks, quotaCheck } = await import("./kubeflowChecks.ts");
    checks.push(...programChecks());
    const { kubeflow, region = process.env.GOOGLE_REGION || "us-central1" } = found.environment ?? {};
    const where = kubeflow?.location.replace(/-[a-z]$/, "") ?? region;
    if (project.id && signedIn.state === "ok") checks.push(await quotaCheck(project.id, where, kubeflow !== undefined));
  }

  const ok = checks.every((check) => check.state !== "missing");
  if (options.json) printJson({ ok, checks });
  else console.log(checks.map(line).join("\n"));
  return ok ? 0 : 1;
}

function line({ name, state, detail, fix }: Check): string {
  const sign = { ok: "ok", missing: "MISSING", later: "-" }[state];
  const head = `${sign.padEnd(9)}${name.padEnd(13)}${plain(detail)}`;
  return fix ? `${head}\n${" ".repeat(22)}→ ${fix}` : head;
}

function node(): Check {
  const { node: version } = process.versions;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > 22 || (major === 22 && minor >= 13);
  return {
    name: "Node",
    state: enough ? "ok" : "missing",
    detail: `${version}, 22.13 or newer is needed`,
    ...(enough ? {} : { fix: NODE_LTS }),
  };
}

function gcloud(signedIn: boolean, hasWorkstation: boolean): Check {
  const file = findProgram("gcloud");
  if (file) return { name: "gcloud", state: "ok", detail: file };
  const without = signedIn ? "the login works without it" : "it makes the login";
  return {
    name: "gcloud",
    state: signedIn && !hasWorkstation ? "later" : "missing",
    detail: `not installed; ${hasWorkstation ? "mlt ssh, jupyter, exec and cp connect through it" : without}`,
    fix: "https://cloud.google.com/sdk/docs/install",
  };
}

async function loginCheck(): Promise<Check> {
  try {
    const headers = await loginHeaders("https://storage.googleapis.com/");
    if (!headers.has("authorization")) throw new Error("no token came back");
    return { name: "login", state: "ok", detail: await account() };
  } catch (error) {
    const told = explained(error, "Asking for a token");
    const [detail, fix] = messageOf(told).split(". Log in with: ");
    return {
      name: "login",
      state: "missing",
      detail: detail ?? "",
      fix: told instanceof UserError && fix ? fix : "gcloud auth application-default login",
    };
  }
}

/** Whose login it is, where the credentials say so by themselves (keys do, people's logins do not). */
async function account(): Promise<string> {
  if (process.env.GOOGLE_OAUTH_ACCESS_TOKEN?.trim()) return "the token in GOOGLE_OAUTH_ACCESS_TOKEN";
  const client = (await (await login()).getClient()) as { email?: unknown };
  return typeof client.email === "string" ? `a token was given for ${client.email}` : "a token was given";
}

async function environmentCheck(
  options: CommonOptions,
  signedIn: boolean,
): Promise<{ check: Check; environment?: OpenEnvironment }> {
  const name = "environment";
  const chosen = await chosenEnvironment(options.environment).catch(() => undefined);
  if (!chosen) {
    const fix = "pulumi up, then: npx mlt use gs://BUCKET (pulumi stack output dataBucketUrl)";
    return { check: { name, state: "later", detail: "none is chosen", fix } };
  }
  if (!signedIn) {
    return { check: { name, state: "missing", detail: `${chosen.url} (by ${chosen.from}) needs the login first` } };
  }
  try {
    const environment = await openEnvironment(chosen.url);
    const { environment: called, region, training, workstation } = environment;
    const detail = `${called} in ${region}, ${chosen.url} (by ${chosen.from})`;
    if (training || workstation) return { check: { name, state: "ok", detail }, environment };
    const fix = "pulumi config set mltraining:training '{}' && pulumi up";
    return {
      check: { name, state: "missing", detail: `${detail} has neither trainings nor a workstation`, fix },
      environment,
    };
  } catch (error) {
    const detail = messageOf(explained(error, `Reading ${chosen.url}`));
    return { check: { name, state: "missing", detail, fix: "npx mlt use gs://BUCKET" } };
  }
}

function projectCheck(environment: OpenEnvironment | undefined): { check: Check; id?: string } {
  const name = "project";
  const { GOOGLE_CLOUD_PROJECT, GOOGLE_PROJECT, CLOUDSDK_CORE_PROJECT } = process.env;
  if (environment) {
    return {
      check: { name, state: "ok", detail: `${environment.project} (the environment's)` },
      id: environment.project,
    };
  }
  const id = [GOOGLE_CLOUD_PROJECT, GOOGLE_PROJECT, CLOUDSDK_CORE_PROJECT].find((value) => value?.trim())?.trim();
  if (id) return { check: { name, state: "ok", detail: `${id} (by the variables)` }, id };
  const fix = "pulumi config set gcp:project PROJECT (https://console.cloud.google.com/projectcreate makes one)";
  return { check: { name, state: "later", detail: "not known here; the stack's gcp:project decides", fix } };
}

/** Whether the project's APIs are on, which needs billing to be on as well. */
async function servicesCheck(project: string, wanted: readonly string[]): Promise<Check> {
  const name = "services";
  const query = wanted.map((service) => `names=projects/${project}/services/${service}`).join("&");
  const url = `${serviceUsageRoot()}v1/projects/${encodeURIComponent(project)}/services:batchGet?${query}`;
  const enable = `gcloud services enable ${wanted.join(" ")} --project ${project}`;
  try {
    const response = await fetch(url, { headers: await loginHeaders(url), signal: AbortSignal.timeout(10_000) });
    if (!response.ok) {
      const why = messageOf(new Error(await response.text()));
      const detail = `whether they are on in ${project} cannot be seen (${response.status}: ${why})`;
      return { name, state: "later", detail };
    }
    const { services = [] } = (await response.json()) as { services?: { name?: string; state?: string }[] };
    const on = services.filter(({ state }) => state === "ENABLED").map((service) => service.name?.split("/").at(-1));
    const off = wanted.filter((service) => !on.includes(service));
    if (off.length === 0) return { name, state: "ok", detail: `${wanted.join(", ")} are on` };
    const detail = `off in ${project}: ${off.join(", ")}; \`pulumi up\` switches them on where billing is on`;
    const billing = `https://console.cloud.google.com/billing/linkedaccount?project=${project}`;
    return { name, state: "later", detail, fix: `${enable} (billing: ${billing})` };
  } catch (error) {
    const detail = `whether they are on in ${project} cannot be seen: ${messageOf(explained(error, "Asking for them"))}`;
    return { name, state: "later", detail };
  }
}

function pulumi(hasEnvironment: boolean): Check {
  const file = findProgram("pulumi");
  if (file) return { name: "pulumi", state: "ok", detail: file };
  return {
    name: "pulumi",
    state: hasEnvironment ? "later" : "missing",
    detail: "not installed; `pulumi up` and `pulumi destroy` need it, trainings do not",
    fix: "https://www.pulumi.com/docs/install/",
  };
}
