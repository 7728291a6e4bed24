/** An error that leaves the local cloud in the shape that Google's APIs use. */
export class GoogleError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: Record<string, unknown>;

  /**
   * @param code HTTP status, as Google answers it (400, 403, 404, 409, 412, 501, …)
   * @param reason Google's machine-readable word (`notFound`, `conditionNotMet`, `resourceInUseByAnotherResource`, …)
   * @param message Google's sentence
   * @param details further members of `error` (for example `status`, `details`)
   */
  constructor(code: number, reason: string, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  body(): unknown {
    const { code, message, reason } = this;
    return { error: { code, message, errors: [{ message, domain: "global", reason }], ...this.details } };
  }
}

/** 501 with the name of what is not modelled: nothing unknown is ever accepted in silence. */
export function notModelled(what: string): GoogleError {
  return new GoogleError(501, "notImplemented", `The local cloud does not model ${what}.`);
}

/** The reason and status words of Google's APIs that are built on RPC (IAM, Resource Manager, Service Usage, …). */
const RPC_WORDS: Record<number, [reason: string, status: string]> = {
  400: ["badRequest", "INVALID_ARGUMENT"],
  403: ["forbidden", "PERMISSION_DENIED"],
  404: ["notFound", "NOT_FOUND"],
  409: ["alreadyExists", "ALREADY_EXISTS"],
  429: ["rateLimitExceeded", "RESOURCE_EXHAUSTED"],
};

export function rpcError(code: number, message: string, status?: string): GoogleError {
  const [reason, usual] = RPC_WORDS[code] ?? ["backendError", "INTERNAL"];
  return new GoogleError(code, reason, message, { status: status ?? usual });
}
