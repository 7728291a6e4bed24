import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRoster } from "../../course/roster.ts";

const COURSE = { name: "ml26" };
const problemsOf = (text: string | Buffer, course: { name: string } | undefined = COURSE) =>
  parseRoster(text, course).problems;

test("a roster as spreadsheets write it: BOM, CRLF, empty lines, quotes, any order of columns, names of any script", () => {
  const text =
    '\ufeffE-Mail,Name,ID,workstation,machineTypes,gpus,hoursPerWeek,costPerRun,maxHours\r\n\r\nAnn@Example.com,"Ödön, von Horváth",s001,yes,"e2-standard-2, e2-standard-4",0,10,2.5,1\r\n,,,,,,,,\r\nbob@example.com, 李雷 ,s002,no,,,,,\r\n\r\n';
  assert.deepEqual(parseRoster(Buffer.from(text), COURSE), {
    students: [
      {
        id: "s001",
        name: "Ödön, von Horváth",
        member: "user:ann@example.com",
        overrides: {
          workstation: true,
          machineTypes: ["e2-standard-2", "e2-standard-4"],
          gpus: 0,
          hoursPerWeek: 10,
          costPerRun: 2.5,
          maxHours: 1,
        },
        line: 3,
      },
      { id: "s002", name: "李雷", member: "user:bob@example.com", overrides: { workstation: false }, line: 5 },
    ],
    problems: [],
  });
});

test("a group is a student like a person; both at once is one too many", () => {
  const { students } = parseRoster("id,name,email,group\nt1,Team,,team1@example.com\nt2,Bob,bob@example.com,\n");
  assert.deepEqual(
    students.map(({ member }) => member),
    ["group:team1@example.com", "user:bob@example.com"],
  );
  assert.deepEqual(problemsOf("id,name,email,group\nt1,A,a@example.com,b@example.com\nt2,B,,\n"), [
    "roster.csv line 2, column group: there is an e-mail, too; a student is one person or one group",
    "roster.csv line 3, column email: is empty, and so is group",
  ]);
});

test("markup and formulas in names are data", () => {
  const names = ['=HYPERLINK("http://x")', "+1", "-1", "@sum", "<script>alert(1)</script>", "a'b\"c"];
  const rows = names.map((name, index) => `s${index},"${name.replaceAll('"', '""')}",u${index}@example.com`);
  const { students, problems } = parseRoster(`id,name,email\n${rows.join("\n")}\n`, COURSE);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    students.map(({ name }) => name),
    names,
  );
});

test("every problem is told at once, with line and column, in the order of the lines", () => {
  const text = [
    "id,name,email,gpu,maxHours",
    'S001,"Ann, B",ann@example.com,,',
    "",
    "s2,Bob,ann@example.com,,0",
    "s001,,x,,abc",
    "s001,C,c@example.com,,1,9",
    "base,D,d@example.com,,",
    "test,D,-e@example.com,,",
  ].join("\n");
  assert.deepEqual(problemsOf(text), [
    'roster.csv line 1, column 4: there is no column "gpu"; did you mean gpus?',
    'roster.csv line 2, column id: must be lower case letters and digits, because it ends the environment\'s name; did you mean s001?; got "S001"',
    'roster.csv line 4, column maxHours: must be a number of hours from 0.1 to 168; got "0"',
    'roster.csv line 4, column email: "ann@example.com" is there twice, first in line 2',
    'roster.csv line 4, column id: "s2" has 2 characters, the others 4: all ids must be of one width, so that none begins another; write "s002"',
    "roster.csv line 5, column name: is empty; it is what you find a student by",
    'roster.csv line 5, column email: must be the address of a Google account, such as ann@example.com; got "x"',
    'roster.csv line 5, column maxHours: must be a number of hours from 0.1 to 168; got "abc"',
    "roster.csv line 6 has 6 cells, and there are 5 columns; put a cell that holds a comma into quotes",
    'roster.csv line 6, column id: "s001" is there twice, first in line 5',
    'roster.csv line 7, column id: must not be "base", which mlt uses itself; take another',
    'roster.csv line 8, column id: must not be "test", which mlt uses itself; take another',
    'roster.csv line 8, column email: must be the address of a Google account, such as ann@example.com; got "-e@example.com"',
  ]);
});

test("overrides are held to what there is", () => {
  const text = "id,name,email,workstation,machineTypes,gpus\na1,A,a@b.de,perhaps,e2-standard-3,1.5\n";
  assert.deepEqual(problemsOf(text), [
    'roster.csv line 2, column workstation: must be yes or no, or empty for what the course has; got "perhaps"',
    "roster.csv line 2, column machineTypes: there is no machine type e2-standard-3; the nearest are e2-standard-4, e2-standard-2, e2-standard-8",
    'roster.csv line 2, column gpus: must be a whole number of GPUs at once from 0 to 64; got "1.5"',
  ]);
});

for (const [delimiter, word] of [
  [";", "semicolons"],
  ["\t", "tabs"],
  ["|", "bars"],
] as const) {
  test(`a roster that is separated by ${word} is refused with what to do`, () => {
    const text = `id,name,email\ns1,A,a@b.de\n`.replaceAll(",", delimiter);
    assert.deepEqual(problemsOf(text), [
      `roster.csv line 1 is separated by ${word}, a roster by commas. Save it as "CSV UTF-8 (comma delimited)"; spreadsheets in some languages write ${word} all the same: replace them then, and put cells that hold a comma into quotes`,
    ]);
  });
}

test("no student, too many, no columns, nothing", () => {
  assert.deepEqual(problemsOf("id,name,email\n"), [
    "roster.csv holds no student: below the columns' names, a line for each",
  ]);
  const many = Array.from({ length: 10_001 }, (_, index) => `s${index},N,u${index}@example.com`).join("\n");
  assert.deepEqual(problemsOf(`id,name,email\n${many}\n`), [
    "roster.csv holds 10001 students; 10000 is the most. Is it the right file?",
  ]);
  assert.deepEqual(problemsOf("s001,Ann,ann@example.com\n"), [
    'roster.csv line 1 must name the columns, such as id,name,email; got "s001,Ann,ann@example.com"',
  ]);
  assert.deepEqual(problemsOf(""), [
    "roster.csv is empty: it must hold the columns id, name, email, and a line for each student",
  ]);
  assert.deepEqual(problemsOf("id,email\ns1,a@b.de\n"), ["roster.csv line 1: the column name is missing"]);
});

test("what is no text is told as what it is", () => {
  assert.deepEqual(problemsOf(Buffer.from("\ufeffid", "utf16le")), [
    'roster.csv is UTF-16 ("Unicode text"); save it as "CSV UTF-8 (comma delimited)"',
  ]);
  assert.deepEqual(problemsOf(Buffer.from([0x50, 0x4b, 3, 4, 0xff])), [
    'roster.csv is a workbook (.xlsx); save it as "CSV UTF-8 (comma delimited)"',
  ]);
  assert.deepEqual(problemsOf(Buffer.from("id,name,email\ns1,J\xf6rg,a@b.de", "latin1")), [
    'roster.csv is no UTF-8 text; save it as "CSV UTF-8 (comma delimited)"',
  ]);
});

test("quotes that do not fit are told once", () => {
  assert.deepEqual(problemsOf('id,name,email\ns1,a"b,a@b.de\ns2,C,c@b.de\n'), [
    'roster.csv line 2 has a quote (") in the middle of a cell; put the whole cell into quotes, and write "" for one in it',
  ]);
  assert.deepEqual(problemsOf('id,name,email\ns1,"ab,a@b.de\n'), ['roster.csv has a quote (") that is not closed']);
  assert.deepEqual(problemsOf('id,name,email\ns1,"a\nb",a@b.de\ns1,C,c@b.de\n'), [
    'roster.csv line 2, column name: must be on one line; got "a b"',
    'roster.csv line 4, column id: "s1" is there twice, first in line 2',
  ]);
});

test("environments keep within 20 characters, and within Google's words", () => {
  const text = "id,name,email\nstudent001,A,a@b.de\n";
  assert.deepEqual(problemsOf(text, { name: "learning26" }), [
    "roster.csv line 2, column id: makes the environment's name learning26-student001 21 characters long, and 20 is the most; take shorter ids, or a shorter name in course.yaml",
  ]);
  assert.deepEqual(problemsOf("id,name,email\nrun,A,a@b.de\n"), [
    'roster.csv line 2, column id: the environment\'s name must not hold "run" between hyphens, because that word ends the environment\'s name in every machine\'s name; got "ml26-run"',
  ]);
  assert.deepEqual(problemsOf(text, undefined), []);
});

test("whatever is in a file, reading it ends with students or with problems, never with an exception", () => {
  const cell = fc.oneof(fc.string(), fc.constantFrom('"', ",", "\n", "\r\n", "s001", "a@b.de", "\ufeff", ";"));
  fc.assert(
    fc.property(fc.array(cell, { maxLength: 40 }), (cells) => {
      const text = `id,name,email\n${cells.join("")}`;
      const { students, problems } = parseRoster(Buffer.from(text), COURSE);
      assert.equal(students.length === 0, problems.length > 0);
    }),
    { numRuns: 300 },
  );
});
