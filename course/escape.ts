// Names and other text of a roster, made harmless where they go out: a cell that begins as a formula is run by
// spreadsheets, and markup in a name by browsers.

/** Characters with which a spreadsheet takes a cell for a formula, also behind a tab or a line end. */
const FORMULA = /^\s*[=+\-@|%]|^[\t\r\n]/;

/** A value as one cell of a CSV file: text that a spreadsheet would run gets an apostrophe before it; quoted where needed. */
export function csvCell(value: string | number | boolean | undefined): string {
  if (value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const text = FORMULA.test(value) && !/^-?\d+(\.\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\r\n;\t']/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A row of a CSV file, with its line end as RFC 4180 has it. */
export function csvRow(values: readonly (string | number | boolean | undefined)[]): string {
  return `${values.map(csvCell).join(",")}\r\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as part of an HTML page, in an element or in a quoted attribute. */
export function html(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
