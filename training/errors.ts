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

/** The HTTP status that an official client's error carries; `undefined` if it carries none. */
export function statusOf(error: unknown): number | undefined {
  const { code, status, response } = error as { code?: unknown; status?: unknown; response?: { status?: unknown } };
  for (const value of [code, status, response?.status]) {
    const number = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && number >= 100 && number < 600) return number;
  }
  return undefined;
}

/** True for errors of the network or of Google's front ends that another try may well not meet. */
export function isTransient(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status === 429 || status === 408 || status >= 500;
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return [code, cause?.code].some((value) =>
    ["ECONNRESET", "ETIMEDOUT", "EPIPE", "EAI_AGAIN", "ECONNABORTED", "UND_ERR_SOCKET"].includes(String(value)),
  );
}

/** Google's own sentence out of an official client's error. */
export function messageOf(error: unknown): string {
  const { errors, message } = error as { errors?: { message?: string }[]; message?: string };
  const inner = Array.isArray(errors) ? errors[0]?.message : undefined;
  return String(inner ?? message ?? error)
    .split("\n")[0]!
    .trim();
}

/** The same error in the user's words where it is one of the few that everybody meets; else the error itself. */
export function explained(error: unknown, doing: string): unknown {
  if (error instanceof UserError) return error;
  const message = String((error as Error)?.message ?? error);
  const status = statusOf(error);
  const login = "Log in with: gcloud auth application-default login";
  if (/default credentials|invalid_grant|invalid_rapt|reauth related error/i.test(message) || status === 401) {
    return new UserError(`${doing} needs a Google login, and none was found that Google accepts. ${login}`);
  }
  if (status === 403) {
    return new UserError(
      `${doing} was refused (403): ${messageOf(error)}\nAsk the environment's owner for the right, or log in as another account: gcloud auth application-default login`,
    );
  }
  const code = String(
    (error as { code?: unknown }).code ?? (error as { cause?: { code?: unknown } }).cause?.code ?? "",
  );
  if (["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"].includes(code)) {
    return new UserError(`${doing} could not reach Google (${messageOf(error)}). Check the network and try again.`);
  }
  return error;
}
