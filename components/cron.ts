// Schedules in unix-cron format, as Google's instance schedules take them: minute, hour, day of month, month, day of
// week. Google checks them when the policy is made, after everything else has been; here they are checked first.

/** The minutes, hours, … at which a schedule fires. */
export interface Cron {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  /** 0 to 6, from Sunday. */
  weekdays: ReadonlySet<number>;
  /** Whether day of month or day of week is `*`: only then both must hold. */
  anyDay: boolean;
  anyWeekday: boolean;
}

interface Field {
  name: string;
  least: number;
  most: number;
  words?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: "minute", least: 0, most: 59 },
  { name: "hour", least: 0, most: 23 },
  { name: "day of month", least: 1, most: 31 },
  {
    name: "month",
    least: 1,
    most: 12,
    words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
  },
  { name: "day of week", least: 0, most: 7, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/** Reads a line of five fields. A problem is a sentence without a subject. */
export function parseCron(line: string): { cron?: Cron; problem?: string } {
  const parts = line.trim().split(/\s+/);
  if (parts.length !== FIELDS.length) {
    return {
      problem: `must be a cron line of five fields (minute, hour, day of month, month, day of week) such as "0 22 * * *"; got ${JSON.stringify(line)}`,
    };
  }
  const sets: Set<number>[] = [];
  for (const [index, field] of FIELDS.entries()) {
    const part = parts[index] ?? "";
    const set = readField(part, field);
    if (!set) {
      return {
        problem: `must be a cron line; its ${field.name} must be ${field.least} to ${field.most}${field.words ? ` or ${field.words[0]} to ${field.words.at(-1)}` : ""}, as *, 1,2, 1-5 or */2; got ${JSON.stringify(part)} in ${JSON.stringify(line)}`,
      };
    }
    sets.push(set);
  }
  const [minutes, hours, days, months, weekdays] = sets as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  if (weekdays.delete(7)) weekdays.add(0);
  const cron = { minutes, hours, days, months, weekdays, anyDay: parts[2] === "*", anyWeekday: parts[4] === "*" };
  if (!comes(cron)) {
    return { problem: `must come at some time, and none of its months has its days; got ${JSON.stringify(line)}` };
  }
  return { cron };
}

/** The most days of each month, from January. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether there is a day for it: the 31st of February never comes. A day of the week does, where it is enough. */
function comes({ days, months, anyDay, anyWeekday }: Cron): boolean {
  if (!anyDay && !anyWeekday) return true;
  const first = Math.min(...days);
  return [...months].some((month) => first <= (DAYS[month - 1] ?? 0));
}

function readField(text: string, { least, most, words = [] }: Field): Set<number> | undefined {
  const set = new Set<number>();
  const number = (word: string): number => {
    const named = words.indexOf(word.toLowerCase());
    if (named >= 0) return named + (words.length === 12 ? 1 : 0);
    return /^\d{1,2}$/.test(word) ? Number(word) : Number.NaN;
  };
  for (const item of text.split(",")) {
    const [, range, step = "1"] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(item) ?? [];
    if (range === undefined || step === "0") return undefined;
    const [from = "", to = /\//.test(item) && range !== "*" ? String(most) : from] = range.split("-");
    const [first, last] = range === "*" ? [least, most] : [number(from), number(to)];
    if (!(first >= least && last <= most && first <= last)) return undefined;
    for (let value = first; value <= last; value += Number(step)) set.add(value);
  }
  return set;
}

const DAY = 24 * 60;
/** A month that begins on a Monday, so that every day of the week and of the month comes. */
const MONTH_DAYS = 31;

/** The minutes of a month of 31 days, from its first Monday's midnight, at which a schedule fires; months are left out. */
export function firings(cron: Cron): number[] {
  const found: number[] = [];
  for (let day = 0; day < MONTH_DAYS; day += 1) {
    const ofMonth = cron.days.has(day + 1);
    const ofWeek = cron.weekdays.has((day + 1) % 7);
    // As cron does: if both are restricted, either is enough.
    const fires = cron.anyDay || cron.anyWeekday ? ofMonth && ofWeek : ofMonth || ofWeek;
    if (!fires) continue;
    for (const hour of [...cron.hours].sort((a, b) => a - b)) {
      for (const minute of [...cron.minutes].sort((a, b) => a - b)) found.push(day * DAY + hour * 60 + minute);
    }
  }
  return found;
}

/** Hours of a month that a machine runs which `start` starts and nothing but `stop` stops. */
export function monthlyHours(start: Cron, stop: Cron): number {
  const [starts, stops] = [firings(start), firings(stop)];
  const month = MONTH_DAYS * DAY;
  let minutes = 0;
  let until = 0;
  for (const at of starts) {
    if (at < until) continue;
    until = stops.find((each) => each > at) ?? Math.min(month, month + (stops[0] ?? 0));
    minutes += until - at;
  }
  return minutes / 60;
}

/** The shortest time between a start and a stop, in minutes. */
export function closest(start: Cron, stop: Cron): number {
  const [starts, stops] = [firings(start), firings(stop)];
  let least = Number.POSITIVE_INFINITY;
  for (const a of starts) for (const b of stops) least = Math.min(least, Math.abs(a - b));
  return least;
}
