// Runs in the report's page: sorting, searching, the choice of the theme. Without it the page is whole, but stands still.
const table = document.getElementById("students");
const body = table.tBodies[0];
const rows = [...body.rows];
const heads = [...table.tHead.rows[0].cells];
const hits = document.getElementById("hits");
const search = document.getElementById("search");
// Read when they are first needed: what a row is searched in, and what it is sorted by (a cell's data-v, else its text).
let texts;
let collator;
const columns = new Map();

function textOf(row) {
  texts ??= new Map(rows.map((each) => [each, folded(each.textContent)]));
  return texts.get(row);
}

function valuesOf(column) {
  if (!columns.has(column)) {
    const numeric = heads[column].classList.contains("number");
    const shown = (cell) => cell.getAttribute("data-v") ?? cell.textContent;
    const read = (cell) => (numeric ? shown(cell).replace("$", "") : shown(cell));
    columns.set(column, new Map(rows.map((row) => [row, read(row.cells[column])])));
  }
  return columns.get(column);
}

/** Without case and accents: "zoe" finds Zoë. */
function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function sortBy(column, direction) {
  const numeric = heads[column].classList.contains("number");
  const values = valuesOf(column);
  collator ??= new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const sign = direction === "ascending" ? 1 : -1;
  rows.sort((one, other) => {
    const [a, b] = [values.get(one), values.get(other)];
    // What has no value is last, whichever way.
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (numeric ? a - b : collator.compare(a, b));
  });
  body.append(...rows);
  for (const [index, head] of heads.entries()) head.ariaSort = index === column ? direction : "none";
}

for (const [column, head] of heads.entries()) {
  head.querySelector("button").addEventListener("click", () => {
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    sortBy(column, head.ariaSort === first ? second : first);
    hits.textContent = `Sorted by ${head.textContent.trim()}, ${head.ariaSort}. ${count()}`;
  });
}

function count() {
  const shown = rows.filter((row) => !row.hidden).length;
  return `${shown} of ${rows.length} students`;
}

search.addEventListener("input", () => {
  const words = folded(search.value).split(/\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every((word) => textOf(row).includes(word));
  hits.textContent = count();
});

// What is printed is everything that the search leaves, with the tables of the charts.
const closed = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    closed.push(details);
  }
});
addEventListener("afterprint", () => {
  for (const details of closed.splice(0)) details.open = false;
});

const theme = document.getElementById("theme");
const KEY = "ml-training-report-theme";
function choose(value) {
  if (value === "light" || value === "dark") document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
  theme.value = document.documentElement.dataset.theme ?? "auto";
}
theme.addEventListener("change", () => {
  choose(theme.value);
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // A page that may keep nothing: the choice holds until it is closed.
  }
});
try {
  choose(localStorage.getItem(KEY));
} catch {
  choose("auto");
}

// The styles lay rows out as grids, and some browsers then forget that they are a table's: said again, when there is time.
(window.requestIdleCallback ?? setTimeout)(() => {
  const roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
  for (const part of [table, ...table.querySelectorAll("thead, tbody, tr, td, th")]) {
    const head = part.closest("thead") ? "columnheader" : "rowheader";
    part.setAttribute("role", roles[part.tagName] ?? head);
  }
});
