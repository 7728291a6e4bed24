/** Exit codes that `mlt` ends with; the trainer's own code comes through where it ran. */
export const EXIT = {
  usage: 64,
  noCapacity: 69,
  failedBeforeTraining: 70,
  lost: 75,
  timedOut: 124,
  interrupted: 130,
  cancelled: 143,
} as const;

/** Something that the user can put right: told in one clear message, never with a stack. */
export class UserError extends Error {
  override name = "UserError";
  readonly exitCode: number;

  /**
   * @param message rule, reason, the value got, what to do
   * @param exitCode what `mlt` ends with; 64 unless the message is no matter of usage
   */
  constructor(message: string, exitCode: number = EXIT.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Several things that the user can put right, told together. */
export class Problems extends UserError {
  override name = "Problems";
  readonly problems: readonly string[];

  constructor(subject: string, problems: readonly string[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(`${subject} (${count}):\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/** This login may not do it. */
export class Denied extends UserError {
  override name = "Denied";
}

/** Google, or what stands in for it, cannot be reached at all: another try a little later may. */
export class Unreachable extends UserError {
  override name = "Unreachable";
}

/** The HTTP status that an official client's error carries; `undefined` if it carries none. */
export function statusOf(error: unknown): number | undefined {
  const { code, status, response } = (error ?? {}) as {
    code?: unknown;
    status?: unknown;
    response?: { status?: unknown };
  };
  for (const value of [code, status, response?.status]) {
    const number = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && number >= 100 && number < 600) return number;
  }
  return undefined;
}

/** Nobody answers there; asking again at once would change nothing. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host is known",
  EAI_AGAIN: "the name cannot be looked up",
  ECONNREFUSED: "the connection is refused",
  ENETUNREACH: "there is no way there",
  EHOSTUNREACH: "there is no way there",
  ETIMEDOUT: "there is no answer",
  UND_ERR_CONNECT_TIMEOUT: "there is no answer",
};

const BROKEN = ["ECONNRESET", "EPIPE", "ECONNABORTED", "UND_ERR_SOCKET"];

/** The error's own code, else that of the first cause which has one. */
function codeOf(error: unknown): string {
  for (let inner: unknown = error, depth = 0; inner && depth < 5; depth += 1) {
    const { code, cause, errors } = inner as { code?: unknown; cause?: unknown; errors?: unknown };
    if (typeof code === "string" && code !== "") return code;
    inner = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return "";
}

/** True for errors of the network or of Google's front ends that another try may well not meet. */
export function isTransient(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status === 429 || status === 408 || status >= 500;
  const code = codeOf(error);
  return BROKEN.includes(code) || code in UNREACHABLE;
}

/** Tries a call again, for half a minute at most, while Google is busy or a connection breaks. */
export async function retrying<T>(
  call: () => Promise<T>,
  sleep: (milliseconds: number) => Promise<void> = pausing,
): Promise<T> {
  for (let round = 0; ; round += 1) {
    try {
      return await call();
    } catch (error) {
      if (round >= 6 || !isTransient(error) || codeOf(error) in UNREACHABLE) throw error;
      await sleep(500 * 2 ** round * (0.5 + Math.random() / 2));
    }
  }
}

/** A pause that the signal, if there is one, ends. */
export function pausing(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}

/** Google's own sentence out of an official client's error, or out of the body of an answer. */
export function messageOf(error: unknown): string {
  const { errors, message } = (error ?? {}) as { errors?: { message?: string }[]; message?: string };
  const inner = Array.isArray(errors) ? errors[0]?.message : undefined;
  const text = String(inner ?? message ?? error).trim();
  const { cause } = (error ?? {}) as { cause?: unknown };
  // All that Node's fetch says by itself.
  if (text === "fetch failed" && cause) return messageOf(cause);
  return (sentenceIn(text) ?? text).split("\n")[0]!.trim();
}

/** The message in an answer that is JSON or XML, as Google's are; `undefined` where it is neither. */
function sentenceIn(text: string): string | undefined {
  if (text.startsWith("{")) {
    try {
      const { error } = JSON.parse(text) as { error?: { message?: unknown } | string };
      return typeof error === "string" ? error : typeof error?.message === "string" ? error.message : undefined;
    } catch {
      return undefined;
    }
  }
  return /<(?:Details|Message)>([^<]+)</.exec(text)?.[1];
}

export const LOGIN = "gcloud auth application-default login";

/** The same error in the user's words where it is one of the few that everybody meets; else the error itself. */
export function explained(error: unknown, doing: string): unknown {
  if (error instanceof UserError) return error;
  const message = String((error as Error)?.message ?? error);
  const status = statusOf(error);
  if (
    /default credentials|invalid_grant|invalid_rapt|invalid_client|reauth related error/i.test(message) ||
    status === 401
  ) {
    return new UserError(
      `${doing} needs a Google login, and none was found that Google accepts. Log in with: ${LOGIN}`,
    );
  }
  if (status === 403) {
    return new Denied(
      `${doing} was refused (403): ${messageOf(error)}\nAsk the environment's owner for the right, or log in as another account: ${LOGIN}`,
    );
  }
  const code = codeOf(error);
  if (status === undefined && code in UNREACHABLE) {
    const host = hostIn(error);
    return new Unreachable(
      `${doing} is not possible: ${host ?? "Google"} cannot be reached (${UNREACHABLE[code]}). ${advice(host)}`,
    );
  }
  if (status === undefined && CERTIFICATE.test(code)) {
    return new UserError(
      `${doing} is not possible: the certificate that was shown is not trusted (${code}). If a proxy of your network stands in between, give its certificate: export NODE_EXTRA_CA_CERTS=FILE.pem`,
    );
  }
  return status === undefined && message === "fetch failed"
    ? new UserError(`${doing} is not possible: ${messageOf(error)}.`)
    : error;
}

const CERTIFICATE = /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(GET|VERIFY)|ERR_TLS_CERT)/;

/** The host that did not answer, out of the sentences of Node and of the clients. */
function hostIn(error: unknown): string | undefined {
  for (let inner: unknown = error, depth = 0; inner && depth < 5; depth += 1) {
    const { message, cause, errors } = inner as { message?: unknown; cause?: unknown; errors?: unknown };
    const found = /https?:\/\/([^/\s?]+)|(?:getaddrinfo|connect) [A-Z_]+ (\S+)/.exec(String(message));
    if (found) return found[1] ?? found[2];
    inner = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return undefined;
}

/** A variable that leads elsewhere is the likeliest mistake: one that was left over in the shell. */
function advice(host: string | undefined): string {
  const variables = Object.keys(process.env).filter((name) => {
    const leads = /^CLOUDSDK_API_ENDPOINT_OVERRIDES_|^GCE_METADATA_HOST$/.test(name);
    return host !== undefined && leads && process.env[name]?.includes(host);
  });
  const [first] = variables;
  if (variables.length > 1) {
    return `${first} and ${variables.length - 1} more variables lead there; start what should answer, or open a new shell without them.`;
  }
  return first
    ? `${first} leads there; start what should answer, or take the variable away: unset ${first}`
    : "Check the network (and the proxy or VPN, if you use one) and try again.";
}
