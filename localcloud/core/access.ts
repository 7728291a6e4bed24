/**
 * Who calls. `operator` is the person who runs the local cloud: the project's owner, for whom no binding is needed.
 * The others hold what IAM gives them.
 */
export type Principal =
  | { kind: "operator" }
  /** With `uniqueId`, that account only and not one made later under its e-mail. */
  | { kind: "serviceAccount"; email: string; uniqueId?: string }
  | { kind: "user"; email: string }
  | { kind: "anonymous" };

export interface Condition {
  title?: string;
  description?: string;
  expression: string;
}

export interface Binding {
  role: string;
  members: string[];
  condition?: Condition;
}

/** An IAM allow policy, as every service stores it. */
export interface Policy {
  version?: number;
  etag?: string;
  bindings?: Binding[];
  [member: string]: unknown;
}

/** What a call acts on, in the words that IAM conditions see. */
export interface Resource {
  /** `storage.googleapis.com`, `compute.googleapis.com`, … */
  service: string;
  /** `storage.googleapis.com/Object`, `compute.googleapis.com/Instance`, …; a type without names carries no name. */
  type: string;
  /** `projects/_/buckets/B/objects/O`, `projects/P/zones/Z/instances/N`, … */
  name: string;
  project: string;
  /** Policies on the resource itself or on what holds it (a bucket's, a service account's); the project's is added. */
  policies?: Policy[];
  /** What a condition reads by `api.getAttribute`, for example `storage.googleapis.com/objectListPrefix`. */
  attributes?: Readonly<Record<string, string>>;
}

/** Decides by IAM bindings and their conditions, as Google would. */
export interface Access {
  allowed(principal: Principal, permission: string, resource: Resource): boolean;
  /** Throws Google's 401 (anonymous) or 403. */
  require(principal: Principal, permission: string, resource: Resource): void;
}
