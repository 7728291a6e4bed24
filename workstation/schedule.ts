import { type Cron, parseCron } from "../components/cron.ts";

const DAY_MS = 86_400_000;
/** The 29th of February comes every eighth year at worst. */
const DAYS = 8 * 366;

/** When a schedule fires next after `now`, in its time zone; `undefined` if it never does, or is no schedule. */
export function nextTime(line: string, timeZone: string, now: number): number | undefined {
  const { cron } = parseCron(line);
  if (!cron) return undefined;
  const today = local(now, timeZone);
  const first = Date.UTC(today.year, today.month - 1, today.day);
  for (let offset = 0; offset <= DAYS; offset += 1) {
    const day = new Date(first + offset * DAY_MS);
    if (!firesOn(cron, day)) continue;
    const times = timesOf(cron, day, timeZone).filter((time) => time > now);
    if (times.length > 0) return Math.min(...times);
  }
  return undefined;
}

function firesOn(cron: Cron, day: Date): boolean {
  if (!cron.months.has(day.getUTCMonth() + 1)) return false;
  const ofMonth = cron.days.has(day.getUTCDate());
  const ofWeek = cron.weekdays.has(day.getUTCDay());
  // As cron does: if both are restricted, either is enough.
  return cron.anyDay || cron.anyWeekday ? ofMonth && ofWeek : ofMonth || ofWeek;
}

function timesOf({ hours, minutes }: Cron, day: Date, timeZone: string): number[] {
  return [...hours].flatMap((hour) =>
    [...minutes].map((minute) => instant(day.getTime() + (hour * 60 + minute) * 60_000, timeZone)),
  );
}

interface Parts {
  year: number;
  month: number;
  day: number;
  /** What the clock on the wall shows, counted as if it were UTC. */
  shown: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function local(time: number, timeZone: string): Parts {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return { year, month, day, shown: Date.UTC(year, month - 1, day, hour, minute, second) };
}

/** The moment at which a clock in the zone shows this; where it is put forward over it, the moment after. */
function instant(shown: number, timeZone: string): number {
  const offset = (time: number) => local(time, timeZone).shown - time;
  const guess = shown - offset(shown);
  return shown - offset(guess);
}
