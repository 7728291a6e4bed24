import { nearest } from "../training/nearest.ts";
import type { ScheduleInput } from "./configSchema.ts";
import { closest, monthlyHours, parseCron } from "./cron.ts";

/** When Google stops (and starts) a workstation by itself. */
export interface ScheduleConfig {
  /** Cron lines of five fields. */
  stop: string;
  start?: string;
  /** IANA time zone. */
  timeZone: string;
}

export const DEFAULT_STOP = "0 22 * * *";

/** Google does not promise the order of a start and a stop that are closer (general knowledge). */
const APART_MINUTES = 15;

/** Problems and warnings begin with the member's name. `hours`: of a month, that a morning start keeps it running. */
export function readSchedule(
  input: ScheduleInput | undefined,
  defaultZone: string,
): { config?: ScheduleConfig; hours?: number; problems: string[]; warnings: string[] } {
  const problems: string[] = [];
  const warnings: string[] = [];
  if (input === false) return { problems, warnings };
  const { stop = DEFAULT_STOP, start, timeZone = defaultZone } = input ?? {};
  const stops = parseCron(stop);
  if (stops.problem) problems.push(`schedule.stop ${stops.problem}`);
  const starts = start === undefined ? undefined : parseCron(start);
  if (starts?.problem) problems.push(`schedule.start ${starts.problem}`);
  const zone = zoneProblem(timeZone);
  if (zone) problems.push(`schedule.timeZone ${zone}`);
  if (problems.length > 0) return { problems, warnings };
  let hours: number | undefined;
  if (starts?.cron && stops.cron) {
    if (closest(starts.cron, stops.cron) < APART_MINUTES) {
      problems.push(
        `schedule.start must be at least ${APART_MINUTES} minutes from schedule.stop, or Google may do one before the other; got start ${JSON.stringify(start)}, stop ${JSON.stringify(stop)}`,
      );
    }
    hours = monthlyHours(starts.cron, stops.cron);
  }
  return { config: { stop, ...(start === undefined ? {} : { start }), timeZone }, hours, problems, warnings };
}

function zoneProblem(zone: string): string | undefined {
  // Node takes offsets such as +01:00 for zones, too; Google takes names of the IANA database.
  const named = /^(UTC|[A-Za-z_]+(\/[A-Za-z0-9_+-]+)+)$/.test(zone);
  if (named && known(zone)) return undefined;
  const meant = nearest(zone, Intl.supportedValuesOf("timeZone"));
  return `must be a time zone of the IANA database such as Europe/Berlin or UTC${meant ? `; did you mean ${meant}?` : ""}; got ${JSON.stringify(zone)}`;
}

function known(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
