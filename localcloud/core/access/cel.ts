import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import { GoogleError, notModelled } from "../errors.ts";

/** What a condition sees of a call. An absent attribute is one that this resource type does not offer to conditions. */
export interface Attributes {
  resource: { name?: string; type?: string; service?: string };
  request: { time: Date };
  /** Attributes that `api.getAttribute` reads, by their full name. */
  api: Readonly<Record<string, string>>;
}

/** A condition ready to be asked. An expression that fails on these attributes grants nothing. */
export type Compiled = (attributes: Attributes) => boolean;

/** Google's limit on `&&`, `||` and `!` in one condition. */
const MAX_LOGIC_OPERATORS = 12;

/** The functions that Google documents for allow-policy conditions and that the local cloud evaluates. */
const FUNCTIONS = new Set([
  "startsWith",
  "endsWith",
  "extract",
  "getAttribute",
  "timestamp",
  "duration",
  "getFullYear",
  "getMonth",
  "getDate",
  "getDayOfMonth",
  "getDayOfWeek",
  "getDayOfYear",
  "getHours",
  "getMinutes",
  "getSeconds",
  "getMilliseconds",
]);

const ATTRIBUTES = new Set(["resource.name", "resource.type", "resource.service", "request.time"]);
const API_ATTRIBUTES = new Set(["storage.googleapis.com/objectListPrefix"]);

/** The one value of the variable `api`; the attributes travel inside. */
class Api {
  readonly attributes: Readonly<Record<string, string>>;
  constructor(attributes: Readonly<Record<string, string>>) {
    this.attributes = attributes;
  }
}

const environment = new Environment()
  .registerType("ConditionApi", { ctor: Api, fields: {} })
  .registerVariable({ name: "resource", schema: { name: "string", type: "string", service: "string" } })
  .registerVariable({ name: "request", schema: { time: "google.protobuf.Timestamp" } })
  .registerVariable("api", "ConditionApi")
  .registerFunction({
    name: "extract",
    receiverType: "string",
    returnType: "string",
    params: [{ name: "template", type: "string" }],
    handler: (text: string, template: string) => extract(text, template),
  })
  .registerFunction({
    name: "getAttribute",
    receiverType: "ConditionApi",
    returnType: "string",
    params: [
      { name: "attribute", type: "string" },
      { name: "otherwise", type: "string" },
    ],
    handler: (api: Api, attribute: string, otherwise: string) => api.attributes[attribute] ?? otherwise,
  });

/**
 * Google's `extract`: the text that stands where the template says `{name}`, from the first place where the text before
 * the braces occurs to the first place after it where the text behind them occurs (to the end when nothing stands
 * behind them); the empty text if the template does not fit.
 */
export function extract(text: string, template: string): string {
  const parts = /^([^{}]*)\{[A-Za-z_]\w*\}([^{}]*)$/.exec(template);
  if (!parts)
    throw new GoogleError(400, "badRequest", `The extract template ${JSON.stringify(template)} needs one {name}.`);
  const [, before, behind] = parts as unknown as [string, string, string];
  const at = text.indexOf(before);
  if (at < 0) return "";
  const from = at + before.length;
  if (behind === "") return text.slice(from);
  const to = text.indexOf(behind, from);
  return to < 0 ? "" : text.slice(from, to);
}

const compiled = new Map<string, Compiled>();

/** Compiles a condition's expression; 400 if it is no valid one, 501 with the name of what the local cloud lacks. */
export function compileCondition(expression: string): Compiled {
  const known = compiled.get(expression);
  if (known) return known;
  const ask = compile(expression);
  compiled.set(expression, ask);
  return ask;
}

function compile(expression: string): Compiled {
  let parsed: ReturnType<typeof environment.parse>;
  try {
    parsed = environment.parse(expression);
  } catch (error) {
    throw invalid(expression, firstLine(error));
  }
  const operators = inspect(parsed.ast);
  if (operators > MAX_LOGIC_OPERATORS) {
    throw invalid(expression, `it has ${operators} logic operators, and at most ${MAX_LOGIC_OPERATORS} are allowed`);
  }
  const check = environment.check(expression);
  if (!check.valid) throw invalid(expression, firstLine(check.error));
  if (check.type !== "bool") throw invalid(expression, `it is of type ${check.type}, and bool is required`);
  return ({ resource, request, api }) => {
    try {
      const present = Object.fromEntries(Object.entries(resource).filter(([, value]) => value !== undefined));
      return parsed({ resource: present, request, api: new Api(api) }) === true;
    } catch {
      return false; // an attribute that this resource type lacks: the condition does not grant
    }
  };
}

/** Names what is not modelled, and counts logic operators. */
function inspect(node: ASTNode): number {
  switch (node.op) {
    case "value":
      return 0;
    case "id":
      if (!["resource", "request", "api"].includes(node.args))
        throw notModelled(`the condition attribute ${node.args}`);
      return 0;
    case ".": {
      const [owner, name] = node.args;
      const path = `${pathOf(owner)}.${name}`;
      if (!ATTRIBUTES.has(path)) throw notModelled(`the condition attribute ${path}`);
      return 0;
    }
    case "call": {
      const [name, args] = node.args;
      if (!FUNCTIONS.has(name)) throw notModelled(`the condition function ${name}()`);
      return sum(args);
    }
    case "rcall": {
      const [name, receiver, args] = node.args;
      if (!FUNCTIONS.has(name)) throw notModelled(`the condition function ${name}()`);
      const first = args[0];
      if (name === "getAttribute" && !(first?.op === "value" && API_ATTRIBUTES.has(String(first.args)))) {
        throw notModelled(`the API attribute ${first?.op === "value" ? String(first.args) : "that is no literal"}`);
      }
      if (name === "extract") {
        if (first?.op !== "value") throw notModelled("extract() with a template that is no literal");
        extract("", String(first.args));
      }
      return inspect(receiver) + sum(args);
    }
    case "&&":
    case "||":
      return 1 + sum(node.args);
    case "!_":
      return 1 + inspect(node.args);
    case "-_":
      return inspect(node.args);
    case "?:":
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "+":
    case "-":
      return sum(node.args);
    default:
      throw notModelled(`the condition operator ${node.op}`);
  }
}

function sum(nodes: readonly ASTNode[]): number {
  return nodes.reduce((total, node) => total + inspect(node), 0);
}

function pathOf(node: ASTNode): string {
  if (node.op === "id") return node.args;
  if (node.op === ".") return `${pathOf(node.args[0])}.${node.args[1]}`;
  return "(…)";
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

function invalid(expression: string, why: string): GoogleError {
  return new GoogleError(400, "badRequest", `Invalid condition expression ${JSON.stringify(expression)}: ${why}.`, {
    status: "INVALID_ARGUMENT",
  });
}
