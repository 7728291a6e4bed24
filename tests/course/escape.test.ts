import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { csvCell, csvRow, html } from "../../course/escape.ts";

test("a cell that a spreadsheet would run is text; numbers stay numbers", () => {
  assert.equal(csvCell("=1+1"), '"\'=1+1"');
  assert.equal(csvCell("+49 30"), '"\'+49 30"');
  assert.equal(csvCell("-cmd"), '"\'-cmd"');
  assert.equal(csvCell("@sum"), '"\'@sum"');
  assert.equal(csvCell("\t=1"), '"\'\t=1"');
  assert.equal(csvCell(" =1"), '"\' =1"');
  assert.equal(csvCell(-1.5), "-1.5");
  assert.equal(csvCell("-1.5"), "-1.5");
  assert.equal(csvCell(undefined), "");
  assert.equal(csvRow(["a,b", 'c"d', "e", true]), '"a,b","c""d",e,true\r\n');
});

test("no text begins a formula, and all text comes back", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 2, maxLength: 5 }), (cells) => {
      const [read] = parse(csvRow(cells), { relax_column_count: true }) as string[][];
      read?.forEach((cell, index) => {
        const number = /^-?\d+(\.\d+)?$/.test(cell);
        assert.ok(number || !/^\s*[=+\-@]/.test(cell), JSON.stringify(cell));
        assert.ok(cell === cells[index] || cell === `'${cells[index]}`);
      });
    }),
  );
});

test("markup is shown, not run", () => {
  assert.equal(html(`<img src=x onerror='a("b")'>&`), "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;");
});
