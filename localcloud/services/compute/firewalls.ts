import type { Call, Router } from "../../core/http.ts";
import { readCidr } from "./cidr.ts";
import { addCollection } from "./collection.ts";
import type { Compute, Thing, Where } from "./context.ts";
import { invalid, referred } from "./links.ts";
import { requireName } from "./rules.ts";
import { type Json, mergePatch } from "./schema.ts";
import { FIREWALL } from "./shapes/network.ts";

const PROTOCOLS = ["tcp", "udp", "icmp", "esp", "ah", "sctp", "ipip", "all"];
/** Protocols of which a rule may name ports. */
const WITH_PORTS = ["tcp", "udp", "sctp", "6", "17", "132"];

export function addFirewalls(router: Router, compute: Compute): void {
  addCollection(router, compute, {
    plural: "firewalls",
    singular: "firewall",
    scope: "global",
    shape: FIREWALL,
    make: (body, at) => check(compute, body, at),
    patch: (thing, body, at) => {
      for (const name of ["name", "direction"]) {
        if (body[name] !== undefined && body[name] !== thing[name]) {
          throw invalid(`resource.${name}`, body[name], "The field cannot be changed.");
        }
      }
      const { kind, id, selfLink, creationTimestamp, ...content } = mergePatch(thing, body);
      return { kind, id, selfLink, creationTimestamp, ...check(compute, content, at) } as Thing;
    },
  });
}

function check(compute: Compute, body: Json, at: Where & { call: Call }): Json {
  const shown = String(body.network ?? "global/networks/default");
  const networkPath = referred(shown, "resource.network", at.project, "networks");
  const network = compute.referent(networkPath, "resource.network", shown, "network");
  compute.requireOn(at.call, "compute.networks.updatePolicy", networkPath);
  const ingress = (body.direction ?? "INGRESS") === "INGRESS";
  const allowed = (body.allowed ?? []) as Json[];
  const denied = (body.denied ?? []) as Json[];
  if (allowed.length > 0 === denied.length > 0) {
    throw invalid(
      "resource.allowed",
      "",
      "A firewall rule has either allowed or denied rules, not both and not neither.",
    );
  }
  for (const [index, rule] of [...allowed, ...denied].entries()) {
    requireRule(rule, `resource.${allowed.length > 0 ? "allowed" : "denied"}[${index}]`);
  }
  const priority = Number(body.priority ?? 1000);
  if (priority < 0 || priority > 65535) throw invalid("resource.priority", priority, "Must be between 0 and 65535.");
  requireSides(body, ingress);
  const sourced = ["sourceRanges", "sourceTags", "sourceServiceAccounts"].some((name) => listed(body[name]).length > 0);
  const ranges = ingress ? (sourced ? {} : { sourceRanges: ["0.0.0.0/0"] }) : egressRanges(body);
  return {
    direction: "INGRESS",
    disabled: false,
    ...body,
    ...ranges,
    priority,
    network: network.selfLink,
    logConfig: (body.logConfig as object | undefined) ?? { enable: false },
  };
}

function egressRanges(body: Json): Json {
  return listed(body.destinationRanges).length > 0 ? {} : { destinationRanges: ["0.0.0.0/0"] };
}

function listed(value: unknown): string[] {
  return (value ?? []) as string[];
}

function requireRule(rule: Json, field: string): void {
  const protocol = String(rule.IPProtocol ?? "").toLowerCase();
  const number = /^\d+$/.test(protocol) && Number(protocol) < 256;
  if (!PROTOCOLS.includes(protocol) && !number) {
    throw invalid(`${field}.IPProtocol`, rule.IPProtocol, "The IP protocol is not known.");
  }
  for (const [index, ports] of listed(rule.ports).entries()) {
    const at = `${field}.ports[${index}]`;
    if (!WITH_PORTS.includes(protocol))
      throw invalid(at, ports, `Ports may not be specified for protocol '${protocol}'.`);
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(ports) ?? [];
    if (from === undefined || Number(from) > Number(to) || Number(to) > 65535) {
      throw invalid(at, ports, "Must be a port or a range of ports between 0 and 65535.");
    }
  }
}

function requireSides(body: Json, ingress: boolean): void {
  const foreign = ingress ? ["destinationRanges"] : ["sourceRanges", "sourceTags", "sourceServiceAccounts"];
  for (const name of ingress ? [] : foreign) {
    if (listed(body[name]).length > 0) throw invalid(`resource.${name}`, body[name], "An EGRESS rule has no source.");
  }
  for (const name of ["sourceRanges", "destinationRanges"]) {
    for (const [index, range] of listed(body[name]).entries()) {
      if (readCidr(range) || readCidr(`${range}/32`)) continue;
      throw invalid(
        `resource.${name}[${index}]`,
        range,
        "Must be a valid IPv4 address or CIDR range whose host bits are zero.",
      );
    }
  }
  for (const name of ["sourceTags", "targetTags"]) {
    for (const [index, tag] of listed(body[name]).entries()) requireName(tag, `resource.${name}[${index}]`);
  }
  const accounts = listed(body.targetServiceAccounts).length + listed(body.sourceServiceAccounts).length;
  const tags = listed(body.targetTags).length + listed(body.sourceTags).length;
  if (accounts > 0 && tags > 0) {
    throw invalid("resource.targetServiceAccounts", "", "A rule names tags or service accounts, not both.");
  }
}
