/** A schedule in cron's format: which values each of its fields takes. */
export interface Cron {
  minute: ReadonlySet<number>;
  hour: ReadonlySet<number>;
  day: ReadonlySet<number>;
  month: ReadonlySet<number>;
  weekday: ReadonlySet<number>;
  /** Both day fields are restricted: one of them is enough. */
  eitherDay: boolean;
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const FIELDS: readonly { first: number; last: number; names?: readonly string[] }[] = [
  { first: 0, last: 59 },
  { first: 0, last: 23 },
  { first: 1, last: 31 },
  { first: 1, last: 12, names: MONTHS },
  { first: 0, last: 7, names: WEEKDAYS },
];

/** Five fields as cron reads them; `undefined` for what is none. */
export function parseCron(text: string): Cron | undefined {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== 5) return undefined;
  const sets = parts.map((part, index) => parseField(part, index));
  const [minute, hour, day, month, weekday] = sets;
  if (!minute || !hour || !day || !month || !weekday) return undefined;
  // Sunday is 0 and 7.
  if (weekday.has(7)) weekday.add(0);
  return { minute, hour, day, month, weekday, eitherDay: !parts[2]?.startsWith("*") && !parts[4]?.startsWith("*") };
}

function parseField(part: string, index: number): Set<number> | undefined {
  const field = FIELDS[index];
  if (!field) return undefined;
  const { first, last, names = [] } = field;
  const number = (text: string): number => {
    if (/^\d{1,2}$/.test(text)) return Number(text);
    const at = names.indexOf(text.toUpperCase());
    return at < 0 ? Number.NaN : at + (index === 3 ? 1 : 0);
  };
  const values = new Set<number>();
  for (const item of part.split(",")) {
    const [, range = "", step = "1"] = /^([^/]+)(?:\/(\d+))?$/.exec(item) ?? [];
    const [from = "", to] = range.split("-");
    const begin = range === "*" ? first : number(from);
    // `5/10` means from 5 on.
    const end = range === "*" ? last : to !== undefined ? number(to) : item.includes("/") ? last : begin;
    if (!(begin >= first && end <= last && begin <= end && Number(step) > 0)) return undefined;
    for (let value = begin; value <= end; value += Number(step)) values.add(value);
  }
  return values;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether a schedule means the minute that holds `at` (milliseconds since 1970), on the clocks of a time zone. */
export function isDue(cron: Cron, at: number, timeZone: string): boolean {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      minute: "numeric",
      hour: "numeric",
      day: "numeric",
      month: "numeric",
      weekday: "short",
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const has = (set: ReadonlySet<number>, name: string) => set.has(Number(parts[name]));
  if (!has(cron.minute, "minute") || !has(cron.hour, "hour") || !has(cron.month, "month")) return false;
  const day = has(cron.day, "day");
  const weekday = cron.weekday.has(WEEKDAYS.indexOf((parts.weekday ?? "").toUpperCase()));
  return cron.eitherDay ? day || weekday : day && weekday;
}
