import assert from "node:assert/strict";
import { before, test } from "node:test";
import { PROJECT_LIMITS } from "../../catalog/courseLimits.ts";
import { environmentProblem, runPrefix } from "../../components/names.ts";
import { STUDENT_PERMISSIONS } from "../../components/studentRights.ts";
import { policyNeed, studentBindings } from "../../course/bindings.ts";
import { compileCondition } from "../../localcloud/core/access/cel.ts";
import { holds, isOf, judge, partiesOf, strangersNear } from "./matrix.ts";
import { accountOf, COURSE, type Grant, type Rights, rightsOf, studentsOf, thingsOf } from "./rights.ts";

// 200 students over the projects that their quotas need: every condition that the course's stacks generate, asked about
// everything of everybody else.

let rights: Rights;

before(async () => {
  rights = await rightsOf(studentsOf(200));
});

const byPlace = (environment: string): Grant[] => {
  const place = rights.places.find((each) => each.environment === environment);
  assert.ok(place);
  return rights.grants.filter(({ member }) => isOf(member, place.id, environment, place.project));
};

test("39,800 ordered pairs of 200 students: nobody reaches anything of another's", (t) => {
  const parties = partiesOf(rights);
  assert.equal(parties.length, 200);
  assert.equal(new Set(rights.places.map(({ project }) => project)).size, 5);
  for (const { conditions, environment } of parties) assert.equal(conditions.length, 5, environment);
  const verdict = judge(parties);
  assert.equal(verdict.pairs, 39_800);
  assert.deepEqual(verdict.leaks, []);
  // 5 conditions, 11 things of each.
  assert.equal(verdict.asked, 39_800 * 5 * 11);
  // Everybody reaches two runs, the workstation, two disks, a template, and two or three of the data bucket's objects.
  assert.equal(verdict.own, 200 * 8);
  t.diagnostic(
    `${verdict.pairs} ordered pairs, ${verdict.asked} answers, ${verdict.leaks.length} leaks, ${verdict.own} of one's own`,
  );
});

test("grants without a condition lie on the student's own things, or give nothing of anybody's", () => {
  const shared: Record<string, string[]> = {
    watchOperations: ["compute.zoneOperations.get"],
    openProject: ["compute.projects.get"],
  };
  let own = 0;
  for (const { environment, project } of rights.places) {
    for (const grant of byPlace(environment)) {
      if (grant.condition !== undefined) continue;
      if (grant.on === "project") {
        const [word = ""] = Object.keys(shared).filter((each) => grant.role.includes(each));
        assert.deepEqual(rights.roles.get(grant.role), shared[word], grant.role);
        assert.equal(grant.member, `serviceAccount:${accountOf(environment, project)}`);
      } else if (/\/subnetworks\//.test(grant.on)) {
        // On a subnetwork no other of the role's permissions means anything.
        assert.match(grant.role, /_student_/);
        const there = STUDENT_PERMISSIONS.filter((each) => each.startsWith("compute.subnetworks."));
        assert.deepEqual(there, ["compute.subnetworks.use"]);
      } else if (/-course-/.test(grant.on)) {
        assert.deepEqual(
          [grant.role, grant.member],
          ["roles/storage.objectViewer", `serviceAccount:${accountOf(environment, project)}`],
        );
      } else {
        assert.ok(
          grant.on.split("/").some((part) => part.startsWith(`${environment}-`)),
          `${grant.role} on ${grant.on}`,
        );
        own += 1;
      }
    }
  }
  // data-read, scratch; the person's two buckets, account twice; the account on itself; tunnel and login of both.
  assert.equal(own, 200 * (2 + 2 + 2 + 1 + 4));
});

test("no person stands on a project, and a student's stack writes nothing there", (t) => {
  const people = rights.grants.filter(({ on, member }) => on === "project" && !member.startsWith("serviceAccount:"));
  assert.deepEqual(people, []);
  let writes = 0;
  for (const { stack } of rights.places) writes += rights.onProject.get(stack) ?? 0;
  assert.equal(writes, 0);
  t.diagnostic(`project-level IAM writes of 200 student stacks: ${writes}`);
  for (const { id, environment, project } of rights.places) {
    const person = rights.grants.filter(({ member }) => member === `user:${id}@example.edu`);
    assert.deepEqual(
      person.map(({ role, on }) => `${role} ${on.split("/").at(-1)}`).sort(),
      [
        `roles/compute.osAdminLogin ${environment}-ws`,
        `roles/iam.serviceAccountTokenCreator ${accountOf(environment, project)}`,
        `roles/iam.serviceAccountUser ${accountOf(environment, project)}`,
        `roles/iap.tunnelResourceAccessor ${environment}-ws`,
        `roles/storage.objectUser ${environment}-data-0123abc`,
        `roles/storage.objectUser ${environment}-scratch-0123abc`,
        `roles/storage.objectViewer ${environment}-data-0123abc`,
      ],
      environment,
    );
  }
});

test("of one role and principal there is one conditional binding, and a policy stays far below its limits", (t) => {
  const count = new Map<string, number>();
  const perProject = new Map<string, { principals: number; bytes: number }>();
  for (const { on, member, role, condition } of rights.grants) {
    if (on !== "project") continue;
    if (condition) count.set(`${role} ${member}`, (count.get(`${role} ${member}`) ?? 0) + 1);
    const project = /projects\/([^/]+)\/roles/.exec(role)?.[1] ?? "";
    const sum = perProject.get(project) ?? { principals: 0, bytes: 0 };
    sum.principals += 1;
    perProject.set(project, sum);
  }
  assert.equal(Math.max(...count.values()), 1);
  // With titles and descriptions, as Google stores them; arithmetic.test.ts holds these against what is registered.
  for (const { id, project } of rights.places) {
    const sum = perProject.get(project);
    assert.ok(sum);
    sum.bytes += policyNeed(studentBindings(COURSE, id, project)).bytes;
  }
  for (const [project, { principals, bytes }] of perProject) {
    const students = rights.places.filter((place) => place.project === project).length;
    const { principals: most, policyBytes } = PROJECT_LIMITS;
    const size = Math.round(bytes / 1000);
    assert.ok(principals < most.most / 3, `${principals}`);
    assert.ok(bytes < policyBytes.most, `${size} KB`);
    const [hundred, kilobytes] = [(principals / students) * 100, Math.round(((bytes / students) * 100) / 1000)];
    t.diagnostic(
      `${project}: ${students} students, ${principals} principals, ${size} KB; 100 students would be ${hundred.toFixed(0)} and ${kilobytes} KB`,
    );
  }
});

test("names that come near are nobody's: longer ids, other courses, words that begin like ours", () => {
  const parties = partiesOf(rights).slice(0, 20);
  for (const party of parties) {
    const near = strangersNear(party.environment, party.project).filter(
      ({ environment }) => !rights.places.some((place) => place.environment === environment),
    );
    const verdict = judge([party], near);
    assert.deepEqual(verdict.leaks, []);
    assert.ok(verdict.pairs >= 7);
  }
});

test("a machine that another account makes under somebody's prefix is that somebody's, whoever made it", () => {
  // IAM sees names and not who made what. Nobody but its owner, and the project's own people, can give such a name.
  const name = `projects/course-one/zones/us-central1-a/instances/${runPrefix("ml26-s001")}by-another`;
  const thing = { service: "compute.googleapis.com", type: "compute.googleapis.com/Instance", name };
  const reaching = partiesOf(rights)
    .filter(({ conditions }) => conditions.some((each) => holds(each, thing)))
    .map(({ environment }) => environment);
  assert.deepEqual(reaching, ["ml26-s001"]);
});

test("no name of an environment can hold what ends a prefix", () => {
  for (const word of ["run", "ws", "img"]) {
    assert.match(environmentProblem(`ml26-${word}`) ?? "", /must not hold/);
    assert.match(environmentProblem(`ml26-s001-${word}-x`) ?? "", /must not hold/);
  }
});

const WEAKER: [string, (condition: string) => string][] = [
  ["without the separator", (text) => text.replaceAll('-run-")', '-run")')],
  ["without the run prefix", (text) => text.replaceAll('-run-")', '-")')],
  ["without either", (text) => text.replaceAll('-run-")', '")')],
  [
    "with contains in the place of begins",
    (text) => text.replaceAll(/\.startsWith\("([^"]*)-run-"\)/g, '.endsWith("01")'),
  ],
  [
    "with the whole path in the place of the name",
    (text) =>
      text.replaceAll(
        /resource\.name\.extract\("[^"]+"\)\.startsWith\("[^"]+"\)/g,
        'resource.name.startsWith("projects/")',
      ),
  ],
];

for (const [what, weaken] of WEAKER) {
  test(`the matrix finds a condition ${what}`, () => {
    const weak = partiesOf(rights, weaken).slice(0, 10);
    const near = weak.flatMap(({ environment, project }) => strangersNear(environment, project));
    const all = [...weak, ...near];
    assert.notEqual(judge(weak, all).leaks.length, 0);
    // The same neighbours, as it is.
    const sound = partiesOf(rights).slice(0, 10);
    assert.deepEqual(
      judge(sound, [...sound, ...near.filter(({ environment }) => !/^ml26-s00\d$/.test(environment))]).leaks,
      [],
    );
  });
}

test("every condition is one that Google takes, and is about types that Google lets conditions tell apart", () => {
  const types = new Set<string>();
  for (const { condition = "true" } of rights.grants) {
    if (condition !== "true") compileCondition(condition);
    for (const [, type = ""] of condition.matchAll(/resource\.type == "([^"]+)"/g)) types.add(type);
  }
  // cloud.google.com/iam/docs/conditions-resource-attributes, read 2026-11-21.
  assert.deepEqual([...types].sort(), [
    "compute.googleapis.com/Disk",
    "compute.googleapis.com/Instance",
    "compute.googleapis.com/InstanceTemplate",
  ]);
  assert.equal(thingsOf("ml26-s001", "p").length, 11);
});
