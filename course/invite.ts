import { join } from "node:path";
import { Objects } from "../training/storage.ts";
import type { Course, Limits, Student } from "./contract.ts";
import { type Found, findEnvironments } from "./environments.ts";
import { html } from "./escape.ts";
import { limitsOf } from "./machines.ts";
import { chosen } from "./only.ts";
import type { OpenCourse } from "./open.ts";
import { writePrivate } from "./privateFolder.ts";
import { pageOf } from "./report/document.ts";

/** The default place, in the course's folder. */
export const INVITATION_FOLDER = "invitations";

/** What a student is told. Nothing in it is secret: who has it and is not that student can do nothing with it. */
export interface Invitation {
  course: Pick<Course, "title" | "expires" | "contact">;
  student: Pick<Student, "id" | "name" | "member">;
  project: string;
  environment: string;
  /** `gs://BUCKET` */
  bucket: string;
  links: { name: string; url: string }[];
  limits: Limits;
  /** Whether there is a workstation, and after how many idle minutes it stops (0: never). */
  workstation?: { idleMinutes: number };
  /** Whether the course has shared data. */
  shared: boolean;
}

export interface InviteReport {
  folder: string;
  /** Ids of those who have a page now. */
  invited: string[];
  /** Who has none, and why. */
  without: { id: string; reason: string }[];
}

/** Writes a page for each student whose environment is up: `ID.html` and `ID.txt`. @param to a folder */
export async function writeInvitations(
  open: OpenCourse,
  options: { to?: string; only?: readonly string[]; objects?: Objects } = {},
): Promise<InviteReport> {
  const { course, record } = open;
  const students = chosen(open.students, options.only);
  const places = students.flatMap(({ id }) => record.places[id] ?? []);
  const found = await findEnvironments(places, options.objects ?? new Objects());
  const byId = new Map(found.map((each) => [each.place.id, each]));
  const files: Record<string, string> = {};
  const report: InviteReport = {
    folder: options.to ?? join(course.folder, INVITATION_FOLDER),
    invited: [],
    without: [],
  };
  for (const student of students) {
    const invitation = invitationOf(course, student, byId.get(student.id));
    if (typeof invitation === "string") {
      report.without.push({ id: student.id, reason: invitation });
      continue;
    }
    files[`${student.id}.html`] = invitationPage(invitation);
    files[`${student.id}.txt`] = invitationText(invitation);
    report.invited.push(student.id);
  }
  if (report.invited.length > 0) await writePrivate(report.folder, files);
  return report;
}

/** What a student is told, or why there is nothing to tell yet. */
export function invitationOf(course: Course, student: Student, found: Found | undefined): Invitation | string {
  const environment = found?.environment;
  if (!environment) return found?.problem ?? "is not up yet: mlt course up";
  const { project, buckets, workstation } = environment;
  const console = "https://console.cloud.google.com";
  const query = `?project=${encodeURIComponent(project)}`;
  return {
    course,
    student,
    project,
    environment: environment.environment,
    bucket: `gs://${buckets.data}`,
    links: [
      { name: "Your files", url: `${console}/storage/browser/${buckets.data}${query}` },
      ...(workstation
        ? [
            {
              name: "Your workstation",
              url: `${console}/compute/instancesDetail/zones/${workstation.zone}/instances/${workstation.name}${query}`,
            },
          ]
        : []),
      { name: "Cloud Shell: a computer in the browser, if yours has no Node", url: "https://shell.cloud.google.com/" },
    ],
    limits: limitsOf(course, student),
    ...(workstation ? { workstation: { idleMinutes: workstation.idleMinutes } } : {}),
    shared: environment.course !== undefined,
  };
}

interface Step {
  title: string;
  /** A sentence or two, before the commands. */
  words?: string;
  commands: string[];
}

/** The way from an account to a trained model, as both forms tell it. */
export function stepsOf({ bucket, workstation, shared, limits }: Invitation): Step[] {
  return [
    {
      title: "Once",
      words:
        "You need Node 22.13 or newer, gcloud, and the folder of ml-training as your instructor gave it to you. Log in with the account that is named above.",
      commands: ["npm ci", "gcloud auth application-default login", `npx mlt use ${bucket}`],
    },
    {
      title: "Train",
      words: `Price and limit come first, then a machine that runs once, saves and goes. A run takes ${limits.maxHours} hours at most.${shared ? " What the course gives to everybody is named course://NAME in a package's training.yaml." : ""}`,
      commands: ["npx mlt put data/census input/census", "npx mlt train examples/census", "npx mlt runs"],
    },
    ...(workstation
      ? [
          {
            title: "Work in notebooks",
            words: `Your workstation starts when you ask for it${workstation.idleMinutes > 0 ? ` and stops by itself after ${workstation.idleMinutes} minutes without work` : ""}.`,
            commands: ["npx mlt jupyter", "npx mlt stop"],
          },
        ]
      : []),
    {
      title: "Take home what you made",
      commands: ["npx mlt fetch latest model/"],
    },
  ];
}

/** Names and values, as both forms tell them. */
function factsOf({ course, student, project, environment, bucket }: Invitation): [string, string][] {
  const [kind, address = ""] = student.member.split(/:(.*)/s);
  return [
    ["For", `${student.name} (${student.id})`],
    ["Log in with", kind === "group" ? `an account of the group ${address}` : address],
    ["Project", project],
    ["Environment", environment],
    ["Bucket", bucket],
    ["Ends on", `${course.expires}: fetch what you want to keep before that day`],
    ["Ask", course.contact],
  ];
}

function limitsTold({ limits }: Invitation): [string, string][] {
  const { machineTypes, gpus, hoursPerWeek, costPerRun, maxHours } = limits;
  return [
    ["Machine types", machineTypes.join(", ")],
    ["GPUs at once", String(gpus)],
    ["Machine hours a week", `${hoursPerWeek}, all your machines together`],
    ["One run", `${maxHours} hours and about ${costPerRun} US dollars at most`],
  ];
}

const RULE = "A training machine that breaks these limits is deleted within minutes, a workstation is stopped.";

/** As text, for an e-mail. */
export function invitationText(invitation: Invitation): string {
  const facts = (pairs: readonly [string, string][]) => {
    const width = Math.max(...pairs.map(([name]) => name.length));
    return pairs.map(([name, value]) => `  ${name.padEnd(width)}  ${line(value)}`).join("\n");
  };
  const title = line(invitation.course.title);
  return `${[
    `${title}\n${"=".repeat([...title].length)}`,
    facts(factsOf(invitation)),
    ...stepsOf(invitation).map(({ title: step, words, commands }) =>
      [`${step}`, ...(words ? [words] : []), ...commands.map((command) => `    ${command}`)].join("\n"),
    ),
    `Your limits\n${facts(limitsTold(invitation))}\n${RULE}`,
    `In the browser\n${invitation.links.map(({ name, url }) => `  ${name}\n    ${url}`).join("\n")}`,
  ].join("\n\n")}\n`;
}

/** As a page that needs no network. */
export function invitationPage(invitation: Invitation): string {
  const { course, links } = invitation;
  const facts = (pairs: readonly [string, string][]) =>
    `<dl class="facts">${pairs.map(([name, value]) => `<dt>${html(name)}</dt><dd dir="auto">${html(value)}</dd>`).join("")}</dl>`;
  const steps = stepsOf(invitation).map(
    ({ title, words, commands }) =>
      `<h2>${html(title)}</h2>${words ? `<p>${html(words)}</p>` : ""}<pre tabindex="0"><code>${html(commands.join("\n"))}</code></pre>`,
  );
  const body = [
    `<main class="narrow">`,
    `<h1 dir="auto">${html(course.title)}</h1>`,
    `<p class="quiet">Your training environment</p>`,
    facts(factsOf(invitation)),
    ...steps,
    `<h2>Your limits</h2>`,
    facts(limitsTold(invitation)),
    `<p>${html(RULE)}</p>`,
    `<h2>In the browser</h2>`,
    `<ul>${links.map(({ name, url }) => `<li><a href="${html(url)}">${html(name)}</a></li>`).join("")}</ul>`,
    `</main>`,
  ].join("\n");
  return pageOf({ title: course.title, body });
}

/** Text of the roster on one line, without what would turn the direction of the rest. */
function line(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ").trim();
}
