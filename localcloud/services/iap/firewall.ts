import type { State } from "../../core/state.ts";
import { type Range, readCidr } from "../compute/cidr.ts";
import type { Instance } from "../compute/types.ts";

/** Where the tunnels of Identity-Aware Proxy come from (cloud.google.com/iap/docs/using-tcp-forwarding, read 2026-11-21). */
export const IAP_RANGE = "35.235.240.0/20";

interface Rule {
  name: string;
  network: string;
  direction: string;
  priority: number;
  disabled?: boolean;
  sourceRanges?: string[];
  targetTags?: string[];
  targetServiceAccounts?: string[];
  allowed?: Filter[];
  denied?: Filter[];
}

interface Filter {
  IPProtocol: string;
  ports?: string[];
}

/** Whether the rules of a machine's network let all of `source` in to a TCP port. The first rule that fits decides. */
export function letsIn(state: State, instance: Instance, source: string, port: number): boolean {
  const from = readCidr(source) as Range;
  const rules = state
    .collection<Rule>("compute.firewalls")
    .values()
    .filter((rule) => rule.direction === "INGRESS" && !rule.disabled && isFor(rule, instance))
    // At one priority what denies goes first.
    .sort((one, other) => one.priority - other.priority || Number(Boolean(other.denied)) - Number(Boolean(one.denied)));
  for (const { allowed, denied, sourceRanges = [] } of rules) {
    const ranges = sourceRanges.map((text) => readCidr(text) ?? readCidr(`${text}/32`)) as Range[];
    const touches = ranges.some(({ first, last }) => first <= from.last && last >= from.first);
    const covers = ranges.some(({ first, last }) => first <= from.first && last >= from.last);
    if (touches && (denied ?? []).some((filter) => isTcp(filter, port))) return false;
    if (covers && (allowed ?? []).some((filter) => isTcp(filter, port))) return true;
  }
  return false;
}

function isFor(rule: Rule, { networkInterfaces, tags, serviceAccounts = [] }: Instance): boolean {
  if (!networkInterfaces.some(({ network }) => network === rule.network)) return false;
  const { targetTags = [], targetServiceAccounts = [] } = rule;
  if (targetTags.length === 0 && targetServiceAccounts.length === 0) return true;
  const hasTag = targetTags.some((tag) => (tags.items ?? []).includes(tag));
  return hasTag || serviceAccounts.some(({ email }) => targetServiceAccounts.includes(email));
}

function isTcp({ IPProtocol, ports = [] }: Filter, port: number): boolean {
  if (!["tcp", "6", "all"].includes(IPProtocol.toLowerCase())) return false;
  if (ports.length === 0) return true;
  return ports.some((text) => {
    const [first, last = first] = text.split("-").map(Number) as [number, number?];
    return port >= first && port <= last;
  });
}
