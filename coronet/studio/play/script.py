"""What the drawing pad does in the browser: asking the nets, strokes, samples, files and the camera.

Only the newest drawing is sent, and only while the pad can be seen. How it is drawn stands in `sheets`.
"""

import json

from coronet.studio.play.sheets import SHEETS
from coronet.studio.play.text import SCRIPT_WORDS

_STATE = f"""
const words = {json.dumps(SCRIPT_WORDS)};
const find = (selector) => element.querySelector(selector);
const canvas = find("canvas"), sent = document.createElement("canvas");
const visitor = Array.from({{length: 3}}, () => Math.random().toString(36).slice(2, 12)).join("");
let side = 0, asked = null, opened = "", loaded = "";
let done = [], undone = [], stroke = null;
let tool = "pen", colour = find(".swatch").dataset.colour, width = 3;
let video = null, frames = null;
"""

_ASKING = """
const isSeen = () => element.checkVisibility() && !document.hidden;
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
const problem = (said) => {
  const shown = find(".problem");
  shown.textContent = said;
  shown.hidden = !said;
};
let isBusy = false, isDirty = false, isSettled = false, trips = [];
const show = (answer, time) => {
  problem("");
  for (const name of ["dense", "slim"]) {
    const image = find("." + name + " img");
    image.src = answer[name].picture;
    image.hidden = false;
    find("." + name + " .time").textContent = answer[name].speed;
  }
  find(".verdict").textContent = answer.verdict;
  trips = [...trips.slice(-9), time];
  const mean = trips.reduce((sum, trip) => sum + trip) / trips.length;
  find(".trip").textContent = words.trip.replace("#ms", Math.round(mean))
    .replace("#rate", mean > 100 ? (1000 / mean).toFixed(1) : Math.round(1000 / mean));
  if (isSettled && !isDirty && !stroke) { find(".said").textContent = answer.verdict; isSettled = false; }
};
const send = async () => {
  isDirty = true;
  if (isBusy) return;
  isBusy = true;
  try { await answerAll(); } finally { isBusy = false; }
};
const answerAll = async () => {
  while (isDirty && asked && isSeen()) {
    isDirty = false;
    if (video) frame();
    const begin = performance.now(), question = asked;
    const answer = await server.play_answer({...question, picture: sent.toDataURL()});
    if (question !== asked) { isDirty = true; continue; }
    if (answer?.later) { isDirty = true; await pause(250); continue; }
    if (!answer || answer.problem) { problem(answer?.problem ?? words.silent); stopCamera(); break; }
    show(answer, performance.now() - begin);
    if (video) isDirty = true;
  }
};
const settle = () => { isSettled = true; return send(); };
const listSamples = (samples) => {
  find(".samples").replaceChildren(...samples.map(({name, picture}) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const image = document.createElement("img"), label = document.createElement("span");
    button.type = "button";
    image.src = picture;
    image.alt = name;
    label.ariaHidden = "true"; // the picture has said it
    label.textContent = name;
    button.append(image, label);
    button.addEventListener("click", () => load(picture));
    item.append(button);
    return item;
  }));
};
const load = async (address) => {
  const image = new Image();
  image.src = address;
  try { await image.decode(); } catch { problem(words.unreadable); return; }
  stopCamera();
  ground(image);
  settle();
};
let soon = 0;
const open = () => { clearTimeout(soon); soon = setTimeout(openNow, 100); }; // model, net and picture change together
const openNow = async () => {
  if (!props.value || !isSeen()) return;
  const {model, net, ratio, picture} = JSON.parse(props.value);
  if (!model || !net) return;
  const question = {model, net, ratio: net === "cut" ? ratio : 1, visitor}, key = JSON.stringify(question);
  if (key !== opened) {
    opened = key;
    asked = null;
    let found = await server.play_open(question);
    while (found?.later && key === opened) { await pause(400); found = await server.play_open(question); }
    if (key !== opened) return;
    if (!found || found.problem) { opened = ""; problem(found?.problem ?? words.silent); return; }
    problem("");
    trips = [];
    find(".slim .name").textContent = found.net;
    listSamples(found.samples);
    if (found.side !== side) {
      side = found.side;
      done = [];
      loaded = "";
      width = Math.max(1, Math.round(side / 21) / 2);
      Object.assign(find(".width"), {max: side / 8, value: width});
      size(sheets[1], side);
      measure();
    }
    asked = question;
  } else if (!asked) return; // an earlier call waits for the nets, and then takes the picture of now
  const wanted = JSON.parse(props.value).picture || find(".samples img")?.src || "";
  if (wanted !== loaded || !done.length) {
    loaded = wanted;
    if (wanted) await load(wanted); else { ground(null); settle(); }
  } else settle();
};
"""

_HANDS = """
const at = (event) => {
  const box = canvas.getBoundingClientRect(), scale = side / box.width;
  const press = event.pointerType === "pen" && event.pressure ? 0.4 + 1.2 * event.pressure : 1;
  const wide = width * press * (tool === "eraser" ? 3 : 1);
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale, wide];
};
let isDrawn = true;
const draw = () => {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => { isDrawn = true; join(sheets[0]); });
};
canvas.addEventListener("pointerdown", (event) => {
  if (event.button || stroke || !side) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  canvas.focus({preventScroll: true}); // so that the keys of undo and redo are heard
  const [x, y, wide] = at(event);
  stroke = {kind: "stroke", tool, colour, isPaper: done[grounds()]?.isPaper ?? true, pointer: event.pointerId,
    points: [[x, y, wide], [x + 0.01, y, wide]]};
  for (const sheet of sheets) ink(sheet, stroke, 1);
  join(sheets[1]);
  draw();
  send();
});
canvas.addEventListener("pointermove", (event) => {
  if (stroke?.pointer !== event.pointerId) return;
  const from = stroke.points.length, several = event.getCoalescedEvents?.() ?? [];
  stroke.points.push(...(several.length ? several : [event]).map(at));
  for (const sheet of sheets) ink(sheet, stroke, from);
  join(sheets[1]);
  draw();
  send();
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
  if (stroke?.pointer !== event.pointerId) return;
  const finished = stroke;
  stroke = null;
  add(finished);
  settle();
});
const undo = () => { if (done.length > 1 && !stroke) { undone.push(done.pop()); redrawAll(); settle(); } };
const redo = () => { if (undone.length && !stroke) { done.push(undone.pop()); redrawAll(); settle(); } };
const read = async (file) => {
  if (!file || !side) return;
  try {
    const bitmap = await createImageBitmap(file);
    stopCamera();
    ground(bitmap);
    bitmap.close();
  } catch { problem(words.unreadable); return; }
  settle();
};
"""

# Every answer lets the next frame in: the camera is never faster than the nets.
_CAMERA = """
const frame = () => {
  if (done[grounds()] !== frames) { stopCamera(); return; }
  cover(frames.picture, video);
  for (const sheet of sheets) { lay(sheet, frames.picture); join(sheet); }
};
const press = (isOn) => find("[data-act=camera]").setAttribute("aria-pressed", isOn);
const stopCamera = () => {
  if (!video) return;
  for (const track of video.srcObject.getTracks()) track.stop();
  video = frames = null;
  press(false);
};
const camera = async () => {
  if (video) { stopCamera(); settle(); return; }
  if (!navigator.mediaDevices?.getUserMedia) { problem(words.insecure); return; }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 640}}});
    const player = Object.assign(document.createElement("video"), {muted: true, playsInline: true, srcObject: stream});
    await player.play();
    stopCamera();
    ground(player);
    video = player;
    frames = done[grounds()];
  } catch (error) { problem(error.name === "NotAllowedError" ? words.refused : words.missing); return; }
  press(true);
  settle();
};
"""

_EVENTS = """
const acts = {undo, redo, camera, file: () => find("input[type=file]").click(),
  clear: () => { if (side) { stopCamera(); ground(null); settle(); } },
  translate: () => (asked ? settle() : open())};
const choose = (given) => {
  colour = given;
  for (const swatch of element.querySelectorAll(".swatch"))
    swatch.setAttribute("aria-pressed", swatch.dataset.colour === colour);
  take("pen");
};
const take = (given) => {
  tool = given;
  for (const button of element.querySelectorAll("[data-tool]"))
    button.setAttribute("aria-pressed", button.dataset.tool === tool);
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.act) acts[button.dataset.act]();
  if (button?.dataset.tool) take(button.dataset.tool);
  if (button?.dataset.colour) choose(button.dataset.colour);
});
element.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  event.preventDefault();
  (event.shiftKey ? redo : undo)();
});
find(".width").addEventListener("input", (event) => {
  width = Number(event.target.value);
  event.target.setAttribute("aria-valuetext", words.width.replace("#", width));
});
find("input[type=color]").addEventListener("input", (event) => choose(event.target.value));
find("input[type=file]").addEventListener("change", async (event) => {
  await read(event.target.files[0]);
  event.target.value = "";
});
canvas.addEventListener("dragover", (event) => event.preventDefault());
canvas.addEventListener("drop", (event) => { event.preventDefault(); read(event.dataTransfer.files[0]); });
const measure = () => {
  const pixels = Math.round(canvas.getBoundingClientRect().width * Math.min(3, devicePixelRatio || 1));
  if (!side || !pixels || pixels === sheets[0].base.width) return;
  size(sheets[0], pixels);
  redraw(sheets[0]);
  if (stroke) { ink(sheets[0], stroke, 0); join(sheets[0]); }
};
let wasSeen = false;
const look = () => {
  const isNow = isSeen();
  if (isNow) measure(); else stopCamera();
  if (isNow && !wasSeen) open();
  wasSeen = isNow;
};
new ResizeObserver(look).observe(element); // told when the tab is opened, closed or turned, too
document.addEventListener("visibilitychange", look);
watch("value", open);
open();
"""

SCRIPT = _STATE + SHEETS + _ASKING + _HANDS + _CAMERA + _EVENTS
