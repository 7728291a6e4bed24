import type { Access } from "./access.ts";
import type { Faults } from "./faults.ts";
import type { State } from "./state.ts";
import type { Tokens } from "./tokens.ts";

/** What every service of the local cloud is given. */
export interface Cloud {
  readonly state: State;
  readonly access: Access;
  readonly tokens: Tokens;
  readonly faults: Faults;
  /** Milliseconds since 1970; tests move it. */
  readonly now: () => number;
  /** One line for the person who runs the local cloud. */
  readonly log: (line: string) => void;
}

/** The number of the local cloud's project `id`: stable, twelve digits, as Google's are. */
export function projectNumber(id: string): string {
  let value = 7;
  for (const character of id) value = (value * 31 + character.charCodeAt(0)) % 899_999_999_999;
  return String(100_000_000_000 + value);
}
