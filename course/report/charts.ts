import { html } from "../escape.ts";

export interface Series {
  /** In the legend and the table. */
  name: string;
  /** The style's class: `c1` to `c4`. */
  colour: string;
  values: readonly number[];
}

export interface Chart {
  /** Unique on the page. */
  id: string;
  title: string;
  /** What each bar is, as the first column of the table: Week, Day. */
  label: string;
  /** `yyyy-mm-dd` of each bar. */
  labels: readonly string[];
  series: readonly Series[];
  /** A value in the table and at the axis. */
  show: (value: number) => string;
  /** What the chart says, in a sentence: for those who do not see it. */
  summary: string;
}

const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 52;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 28;
const MOST_LABELS = 8;

/** Stacked bars as inline SVG, a legend, and the same figures as a table. */
export function barChart(chart: Chart): string {
  const { id, title, labels, series, summary } = chart;
  if (labels.length === 0) {
    return `<figure class="chart"><figcaption>${html(title)}</figcaption><p class="none">Nothing yet.</p></figure>`;
  }
  return [
    `<figure class="chart">`,
    `<figcaption id="${id}-title">${html(title)}</figcaption>`,
    legend(series),
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}-title" aria-describedby="${id}-summary">`,
    ...bars(chart),
    `</svg>`,
    `<p id="${id}-summary" class="summary">${html(summary)}</p>`,
    table(chart),
    `</figure>`,
  ].join("\n");
}

function legend(series: readonly Series[]): string {
  if (series.length < 2) return "";
  const items = series.map(({ name, colour }) => {
    const swatch = `<svg width="12" height="12" aria-hidden="true"><rect class="${colour}" width="12" height="12" rx="2"/></svg>`;
    return `<li>${swatch} ${html(name)}</li>`;
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

function bars({ labels, series, show }: Chart): string[] {
  const sums = labels.map((_, index) => series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0));
  const most = niceCeiling(Math.max(...sums));
  const y = (value: number) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
  const step = (WIDTH - LEFT - RIGHT) / labels.length;
  const width = Math.max(1, Math.min(48, step * 0.75));
  const parts: string[] = [];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const at = y(most * share).toFixed(1);
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`,
      `<text class="tick end" x="${LEFT - 6}" y="${at}" dy="0.35em">${html(show(most * share))}</text>`,
    );
  }
  const every = Math.ceil(labels.length / MOST_LABELS);
  for (const [index, label] of labels.entries()) {
    const middle = LEFT + step * (index + 0.5);
    if (index % every === 0) {
      parts.push(`<text class="tick middle" x="${middle.toFixed(1)}" y="${HEIGHT - 8}">${html(label.slice(5))}</text>`);
    }
    let below = 0;
    for (const { name, colour, values } of series) {
      const value = values[index] ?? 0;
      if (value <= 0) continue;
      const top = y(below + value);
      const height = y(below) - top;
      below += value;
      const place = `x="${(middle - width / 2).toFixed(1)}" y="${top.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}"`;
      const hint = `${label}: ${show(value)}${series.length > 1 ? ` ${name}` : ""}`;
      parts.push(`<rect class="${colour}" ${place}><title>${html(hint)}</title></rect>`);
    }
  }
  return parts;
}

function table({ title, label, labels, series, show }: Chart): string {
  const head = [label, ...series.map(({ name }) => name)].map((name) => `<th scope="col">${html(name)}</th>`).join("");
  const rows = labels.map((from, index) => {
    const cells = series.map(({ values }) => `<td class="number">${html(show(values[index] ?? 0))}</td>`).join("");
    return `<tr><th scope="row">${html(from)}</th>${cells}</tr>`;
  });
  return `<details><summary>${html(title)} as a table</summary><table class="figures"><thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></details>`;
}

/** The next of 1, 2, 4, 5, 8 and 10 times a power of ten: its quarters are figures that are read easily. */
export function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 4, 5, 8, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return factor * power;
}
