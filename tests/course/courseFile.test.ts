import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseCourse } from "../../course/courseFile.ts";
import { openCourse } from "../../course/open.ts";
import { courseJsonSchema } from "../../course/schema.ts";
import { REPOSITORY, temporaryFolder } from "../helpers/shell.ts";

const LEAST = `name: ml26
expires: 2027-02-28
projects: [ml26-one, ml26-two]
contact: Ann, room 7
instructors: ["user:ann@example.com"]
`;

test("the least that a course says, and what follows from it", () => {
  const { course, problems } = parseCourse(LEAST, "/courses/ml26");
  assert.deepEqual(problems, []);
  assert.deepEqual(course, {
    name: "ml26",
    title: "ml26",
    expires: "2027-02-28",
    preset: "course",
    projects: ["ml26-one", "ml26-two"],
    region: "us-central1",
    limits: {
      machineTypes: ["e2-standard-4", "e2-standard-2", "e2-standard-8", "n2-standard-4", "n2-standard-8"],
      gpus: 0,
      hoursPerWeek: 20,
      costPerRun: 5,
      maxHours: 3,
    },
    workstation: false,
    state: "gs://ml26-one-mlt-courses/ml26",
    secretsProvider: "gcpkms://projects/ml26-one/locations/us-central1/keyRings/mlt-courses/cryptoKeys/state",
    contact: "Ann, room 7",
    instructors: ["user:ann@example.com"],
    folder: "/courses/ml26",
  });
});

test("states in a folder are encrypted by a passphrase, and a relative folder lies below course.yaml's", () => {
  const relative = parseCourse(`${LEAST}state: file://./states\nworkstation: true\n`, "/courses/ml26").course;
  assert.deepEqual(
    [relative?.state, relative?.secretsProvider, relative?.workstation],
    ["file:///courses/ml26/states", "passphrase", {}],
  );
  assert.equal(parseCourse(`${LEAST}state: gs://states/ml26/\n`, "/c").course?.state, "gs://states/ml26");
});

test("every problem is told at once, with its line", () => {
  const text = `expires: 2027-02-29
projects: [ml26-one, Two, ml26-one]
limts: {gpus: 1}
preset: cours
region: us-central-1
limits:
  gpus: "1"
  hoursPerWeak: 3
contact: Ann
instructors: [ann]
workstation:
  zone: us-central9-a
state: file://states
secretsProvider: gcpkms://key
`;
  assert.deepEqual(parseCourse(text, "/c").problems, [
    "course.yaml: name is missing: it must be a text",
    'course.yaml line 1: expires must be a day such as 2027-02-28; got "2027-02-29"',
    'course.yaml line 2: projects[1] must be a project\'s id (6 to 30 lower case letters, digits and hyphens), not its name or number; got "Two"',
    "course.yaml line 2: projects[2] is there twice: ml26-one",
    "course.yaml line 3: limts is not a setting; did you mean limits?",
    'course.yaml line 4: preset must be one of default, freeTrial, course; got "cours"',
    'course.yaml line 5: region names no region of Google\'s; did you mean us-central1?; got "us-central-1"',
    'course.yaml line 7: limits.gpus must be a number; got "1" (leave the quotes away)',
    "course.yaml line 8: limits.hoursPerWeak is not a setting; did you mean hoursPerWeek?",
    'course.yaml line 10: instructors[0] must be user:NAME@DOMAIN or group:NAME@DOMAIN; got "ann"',
    'course.yaml line 13: state must be gs://BUCKET, gs://BUCKET/PREFIX or file:///FOLDER; got "file://states"',
    'course.yaml line 14: secretsProvider must be passphrase, or a key gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K; got "gcpkms://key"',
  ]);
});

test("a workstation is judged as the program judges it, and machine types with it", () => {
  const text = `${LEAST}workstation:
  zone: us-central9-a
  people: ["user:x@example.com"]
limits:
  machineTypes: [e2-standard-3, g2-standard-4, e2-standard-4, e2-standard-4]
`;
  assert.deepEqual(parseCourse(text, "/c").problems, [
    'course.yaml line 7: workstation.zone names no zone of Google\'s; the nearest: us-central1-a; got "us-central9-a"',
    'course.yaml line 8: workstation.people belongs to the roster: each student comes onto the own workstation; got ["user:x@example.com"]',
    "course.yaml line 10: limits.machineTypes[0] there is no machine type e2-standard-3; the nearest are e2-standard-4, e2-standard-2, e2-standard-8",
    "course.yaml line 10: limits.machineTypes[1] carries 1 nvidia-l4, which gpus: 0 does not allow; got g2-standard-4",
    "course.yaml line 10: limits.machineTypes[3] is there twice: e2-standard-4",
  ]);
});

test("names that could not begin an environment's", () => {
  const problemOf = (name: string) => parseCourse(LEAST.replace("ml26\n", `${name}\n`), "/c").problems;
  for (const name of ["ML26", "26ml", "ml--26", "machine-learning", "ml26-"]) {
    assert.deepEqual(problemOf(name), [
      `course.yaml line 1: name must be at most 15 lower case letters, digits and single hyphens, beginning with a letter, because it begins every resource's name; got ${JSON.stringify(name)}`,
    ]);
  }
  assert.deepEqual(problemOf("ml-run"), [
    'course.yaml line 1: name must not hold "run" between hyphens, because that word ends the environment\'s name in every machine\'s name; got "ml-run-base"',
  ]);
  assert.deepEqual(problemOf("evening-class26"), []);
});

test("what is no YAML, or no course at all", () => {
  for (const text of ["", "- a\n- b\n"]) {
    assert.deepEqual(parseCourse(text, "/c").problems, [
      "course.yaml must hold keys with values; keys: name, title, expires, preset, projects, region, limits, workstation, state, secretsProvider, contact, instructors",
    ]);
  }
  assert.deepEqual(parseCourse("name: a\nname: b\n", "/c").problems, [
    'course.yaml line 2: the key "name" is there twice; remove one',
  ]);
  assert.deepEqual(parseCourse(Buffer.from([0xff, 0xfe, 0x41]), "/c").problems, [
    "course.yaml is no UTF-8 text; save it as UTF-8",
  ]);
});

test("both files' problems come together; a folder without them is told what a course is", async (t) => {
  const folder = temporaryFolder(t);
  await assert.rejects(openCourse(join(folder, "none")), {
    message:
      `A course is a folder with a course.yaml and a roster.csv; there is no "${join(folder, "none")}". Copy the example to begin with: examples/course`.replaceAll(
        '"',
        "",
      ),
  });
  await mkdir(join(folder, "course"));
  await assert.rejects(openCourse(join(folder, "course")), {
    message: [
      `The course in ${join(folder, "course")} cannot be used (2 problems):`,
      "  - there is no course.yaml: copy the example, examples/course/course.yaml, and fill it in",
      "  - there is no roster.csv: copy the example, examples/course/roster.example.csv, and fill it in",
    ].join("\n"),
  });
  await writeFile(join(folder, "course", "course.yaml"), `${LEAST}state: file://./states\n`);
  await writeFile(join(folder, "course", "roster.csv"), "id,name,email\ns001,Ann,ann@example.com\n");
  const { course, students, record } = await openCourse(join(folder, "course"));
  assert.deepEqual(
    [course.name, students.length, record],
    ["ml26", 1, { schema: 1, course: "ml26", places: {}, left: {} }],
  );
});

test("the example is a course, and editors load the schema that mlt reads by", async (t) => {
  const folder = temporaryFolder(t);
  const example = join(REPOSITORY, "examples", "course");
  await writeFile(join(folder, "course.yaml"), readFileSync(join(example, "course.yaml")));
  await writeFile(join(folder, "roster.csv"), readFileSync(join(example, "roster.example.csv")));
  const text = readFileSync(join(folder, "course.yaml"), "utf8").replace(/^state:.*$/m, "");
  await writeFile(join(folder, "course.yaml"), `${text}\nstate: file://./states\n`);
  const { students } = await openCourse(folder);
  assert.ok(students.length >= 3);
  const schema = JSON.parse(readFileSync(join(REPOSITORY, "schemas", "course.json"), "utf8"));
  assert.deepEqual(
    schema,
    JSON.parse(JSON.stringify(courseJsonSchema())),
    "schemas/course.json is old: write JSON.stringify(courseJsonSchema(), null, 2) there",
  );
});
