import { asDigit, SIDE } from "./digit.js";

const paper = document.getElementById("paper");
const desk = document.getElementById("desk");
const pen = paper.getContext("2d", { willReadFrequently: true });
const WIDTH = paper.width;
const POINT = WIDTH / SIDE;
/** Where the pen is, in points of 28 × 28, and whether it draws: for those who draw by keyboard. */
let [column, row, isDown] = [SIDE / 2, SIDE / 2, false];
/** What lies on the paper: 784 pixels of a test image, or nothing where somebody draws. */
let shown;
/** Counts what was asked for; an answer that is overtaken by another is not shown. */
let asked = 0;

const bars = Array.from({ length: 10 }, (_, digit) => {
  const line = document.getElementById("bars").insertRow();
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = String(digit);
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Probability of ${digit}`);
  line.append(name);
  line.insertCell().append(bar);
  return { line, bar, percent: line.insertCell() };
});

function say(id, text) {
  document.getElementById(id).textContent = text;
}

async function ask(path, body) {
  const sent = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, sent);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

/** Does one thing after another; says what went wrong where the answer would stand. */
async function trying(work) {
  asked += 1;
  const mine = asked;
  try {
    await work(() => mine === asked);
  } catch (error) {
    if (mine !== asked) return;
    forget();
    say("answer", `No answer: ${error.message}`);
  }
}

function forget() {
  for (const { line, bar, percent } of bars) {
    bar.value = 0;
    percent.textContent = "";
    line.className = "";
  }
}

async function predict(isNewest) {
  const pixels = shown ?? asDigit(drawn(), WIDTH);
  if (!pixels.some((value) => value > 0)) {
    forget();
    say("answer", "Nothing yet.");
    return;
  }
  const { digit, probabilities } = await ask("api/predict", { pixels });
  if (!isNewest()) return;
  for (const [at, { line, bar, percent }] of bars.entries()) {
    bar.value = probabilities[at];
    percent.textContent = `${(probabilities[at] * 100).toFixed(1)} %`;
    line.className = at === digit ? "best" : "";
  }
  say("answer", `This looks like ${digit}, ${(probabilities[digit] * 100).toFixed(1)} %.`);
}

function drawn() {
  const { data } = pen.getImageData(0, 0, WIDTH, WIDTH);
  return Array.from({ length: WIDTH * WIDTH }, (_, at) => data[at * 4]);
}

function empty() {
  shown = undefined;
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, WIDTH, WIDTH);
}

function another() {
  return trying(async (isNewest) => {
    const { pixels, label, number } = await ask("api/example");
    if (!isNewest()) return;
    empty();
    shown = pixels;
    for (const [at, value] of pixels.entries()) {
      pen.fillStyle = `rgb(${value}, ${value}, ${value})`;
      pen.fillRect((at % SIDE) * POINT, Math.floor(at / SIDE) * POINT, POINT, POINT);
    }
    say("source", `Test image ${number}, a ${label}.`);
    await predict(isNewest);
  });
}

/** Takes the test image away before the first line is drawn. */
function begin() {
  if (shown) empty();
  say("source", "Drawn here.");
}

function line(fromX, fromY, toX, toY) {
  pen.strokeStyle = "#fff";
  pen.lineWidth = POINT * 2.2;
  pen.lineCap = "round";
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
}

function at(event) {
  const box = paper.getBoundingClientRect();
  const scale = WIDTH / (box.width - 2 * paper.clientLeft);
  return [(event.clientX - box.left - paper.clientLeft) * scale, (event.clientY - box.top - paper.clientTop) * scale];
}

let last;
paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  paper.setPointerCapture(event.pointerId);
  desk.focus();
  begin();
  last = at(event);
  line(...last, ...last);
});
paper.addEventListener("pointermove", (event) => {
  if (!last) return;
  const next = at(event);
  line(...last, ...next);
  last = next;
});
for (const name of ["pointerup", "pointercancel"]) {
  paper.addEventListener(name, () => {
    if (last) trying(predict);
    last = undefined;
  });
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const inside = (value) => Math.max(1, Math.min(SIDE - 1, value));
desk.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const step = STEPS[event.key];
  if (step) {
    const from = [column * POINT, row * POINT];
    column = inside(column + step[0]);
    row = inside(row + step[1]);
    if (isDown) line(...from, column * POINT, row * POINT);
    say("source", `Column ${column}, row ${row}, pen ${isDown ? "down" : "up"}.`);
  } else if (event.key === " ") {
    isDown = !isDown;
    if (isDown) {
      begin();
      line(column * POINT, row * POINT, column * POINT, row * POINT);
    } else trying(predict);
    say("source", `Pen ${isDown ? "down" : "up"} at column ${column}, row ${row}.`);
  } else if (event.key === "Delete" || event.key === "Backspace") clear();
  else return;
  event.preventDefault();
});

function clear() {
  empty();
  isDown = false;
  say("source", "The paper is empty.");
  trying(predict);
}

document.getElementById("another").addEventListener("click", another);
document.getElementById("clear").addEventListener("click", clear);

async function introduce() {
  const { origin, accuracy, stand_in: standIn } = await ask("api/model");
  const how = typeof accuracy === "number" ? `, right for ${(accuracy * 100).toFixed(1)} % of the test images` : "";
  say("about", `Trained on ${standIn ? origin : "MNIST"}${how}.`);
}

introduce().catch(() => say("about", "The model's server does not answer."));
another();
