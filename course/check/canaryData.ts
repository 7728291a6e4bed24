// Rows in the form of the UCI Adult data, made up: what the canary trains on needs to be right in form only, and no
// download stands in its way.

const WORK = ["Private", "Self-emp-not-inc", "Local-gov", "State-gov"];
const EDUCATION = ["HS-grad", "Some-college", "Bachelors", "Masters", "Doctorate"];
const MARITAL = ["Never-married", "Married-civ-spouse", "Divorced", "Widowed"];
const OCCUPATION = ["Sales", "Tech-support", "Craft-repair", "Exec-managerial", "Prof-specialty"];
const RELATION = ["Husband", "Wife", "Own-child", "Unmarried"];
const RACE = ["White", "Black", "Asian-Pac-Islander", "Other"];
const SEX = ["Male", "Female"];
const COUNTRY = ["United-States", "Mexico", "Philippines", "Germany"];

/** The same rows at every call, so that they are uploaded once. */
export function censusFiles(): { "adult.data": string; "adult.test": string } {
  const random = mulberry(7);
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? "";
  const row = (end: string) => {
    const education = Math.floor(random() * EDUCATION.length);
    const hours = 20 + Math.floor(random() * 40);
    const age = 20 + Math.floor(random() * 50);
    const rich = education * 8 + hours / 2 + age / 3 + random() * 20 > 60;
    const cells = [age, pick(WORK), 100_000, EDUCATION[education], 9 + education, pick(MARITAL), pick(OCCUPATION)];
    return [
      ...cells,
      pick(RELATION),
      pick(RACE),
      pick(SEX),
      0,
      0,
      hours,
      pick(COUNTRY),
      rich ? `>50K${end}` : `<=50K${end}`,
    ].join(", ");
  };
  const rows = (count: number, end: string) => Array.from({ length: count }, () => row(end)).join("\n");
  return { "adult.data": `${rows(1500, "")}\n`, "adult.test": `|1x3 Cross validator\n${rows(500, ".")}\n` };
}

/** A small generator of the same numbers on every computer. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
