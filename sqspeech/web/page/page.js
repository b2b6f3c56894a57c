// The page: recordings, three forms, and the results.
import { $, clock, make } from "./dom.js";
import { record } from "./microphone.js";
import { show } from "./results.js";
import { ask, order, send } from "./server.js";

const TURN = 600, IDLE = 10000; // ms between two looks at the state
let state = { models: [], priors: [], recordings: [], jobs: [] };
let chosen = null, recorder = null, timer = null;

// What the server knows

async function refresh() {
  clearTimeout(timer);
  try {
    state = await ask("state");
    $("connection").textContent = "";
    draw();
  } catch (error) {
    $("connection").textContent = error.message;
  }
  const busy = state.jobs.some((job) => job.state === "waiting" || job.state === "running");
  timer = setTimeout(refresh, busy || $("connection").textContent ? TURN : IDLE);
}

function draw() {
  const own = state.models.map(({ name }) => name);
  $("models-line").textContent = own.length > 3 ? `${own.slice(0, 3).join(", ")} and ${own.length - 3} more` : own.join(", ");
  $("kept").textContent = `Recordings and results are removed after ${Math.round(state.keep / 360) / 10} hours.`;
  $("nothing").hidden = state.jobs.length > 0;
  drawRecordings();
  drawModels();
  show($("jobs"), state.jobs, { cancel, remove, use });
}

// Recordings

function drawRecordings() {
  if (!state.recordings.some(({ id }) => id === chosen)) choose(state.recordings[0]?.id ?? null);
  rebuild($("recordings"), state.recordings, ({ id, name, seconds }) => {
    const radio = make("input", { type: "radio", name: "recording", value: id, checked: id === chosen, onchange: () => choose(id) });
    const drop = make("button", { type: "button", className: "plain", textContent: "×", title: "Remove", ariaLabel: `Remove ${name}`, onclick: () => forget(id) });
    return make("li", {}, make("label", {}, radio, make("span", { textContent: name, title: name }), make("span", { className: "soft", textContent: clock(seconds) })), drop);
  });
  rebuild($("enroll-recordings"), state.recordings, ({ id, name, seconds }) =>
    make("label", { className: "line" }, make("input", { type: "checkbox", value: id, checked: id === chosen }), `${name}, ${clock(seconds)}`));
}

function choose(id) {
  chosen = id;
  $("heard").hidden = !id;
  if (id) $("heard").src = `recordings/${id}`; else $("heard").removeAttribute("src");
  document.querySelectorAll("#recordings input").forEach((radio) => { radio.checked = radio.value === id; });
}

async function upload(blob, name) {
  $("source-sentence").textContent = "";
  $("sent").hidden = false;
  try {
    if (blob.size > state.limit) throw new Error(`${name}: more than ${state.limit / 1e6} MB; convert it in parts`);
    const { id } = await send(blob, name, (share) => { $("sent").value = share; });
    await refresh();
    choose(id);
  } catch (error) {
    $("source-sentence").textContent = error.message;
  }
  $("sent").hidden = true;
}

async function forget(id) {
  await ask(`recordings/${id}`, { method: "DELETE" }).catch(() => null);
  refresh();
}

$("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) upload(target.files[0], target.files[0].name);
  target.value = "";
});
const drop = $("source");
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) upload(event.dataTransfer.files[0], event.dataTransfer.files[0].name);
  });
}

$("record").addEventListener("click", async () => {
  $("source-sentence").textContent = "";
  if (recorder) {
    const finished = recorder;
    recorder = null;
    drawRecorder();
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
    upload(await finished.stop(), `recorded-${time}.wav`);
    return;
  }
  try {
    recorder = await record((seconds, level) => {
      $("recorded").value = clock(seconds);
      $("loudness").value = level;
    });
  } catch (error) {
    $("source-sentence").textContent = error.message;
  }
  drawRecorder();
});

function drawRecorder() {
  $("record").textContent = recorder ? "Stop" : "Record";
  $("record").classList.toggle("recording", Boolean(recorder));
  $("level").hidden = !recorder;
}

// Models and voices

function drawModels() {
  rebuild($("models"), state.models, ({ id, name }, place) => chip(id, name, place === 0, drawVoices));
  $("model-choice").hidden = state.models.length < 2;
  options($("enroll-model"), state.models.map(({ id, name }) => [id, name]));
  $("tab-generate").hidden = !state.priors.length;
  options($("prior"), state.priors.map(({ id }) => [id, id]));
  drawVoices();
  drawGeneration();
}

const checked = (id) => [...$(id).querySelectorAll("input:checked")].map(({ value }) => value);
const models = () => state.models.filter(({ id }) => checked("models").includes(id));

function drawVoices() {
  const voices = [...new Set(models().flatMap(({ speakers }) => speakers))];
  rebuild($("voices"), voices, (name, place) => chip(name, name, place === 0, drawMixture));
  const vocoders = [...new Set(models().flatMap((model) => model.vocoders))];
  const usual = [...new Set(models().map(({ vocoder }) => vocoder))].join(", ");
  options($("vocoder"), [["", `the model's: ${usual}`], ...vocoders.map((name) => [name, name])]);
  options($("speaker"), [["", "not in the model"], ...voices.map((name) => [name, name])]);
  drawMixture();
}

function drawMixture() {
  const voices = checked("voices"), mixed = $("mix").checked && voices.length > 1;
  $("mix").disabled = voices.length < 2;
  rebuild($("mixture"), mixed ? voices : [], (name) => {
    const slider = make("input", { type: "range", min: 0, max: 100, value: 50, name });
    return make("label", { className: "row" }, make("span", { textContent: name }), slider);
  });
}

function drawGeneration() {
  const fitting = state.priors.find(({ id }) => id === $("prior").value)?.models ?? [];
  const usable = state.models.filter((model) => fitting.includes(model.base ?? model.id));
  options($("generate-model"), usable.map(({ id, name }) => [id, name]));
  const model = state.models.find(({ id }) => id === $("generate-model").value);
  options($("generate-voice"), (model?.speakers ?? []).map((name) => [name, name]));
}

function chip(value, text, first, changed) {
  return make("label", {}, make("input", { type: "checkbox", value, checked: first, onchange: changed }), make("span", { textContent: text, title: text }));
}

// Keeps what the user has chosen where it is still there.
function rebuild(element, items, build) {
  const key = JSON.stringify(items);
  if (element.dataset.key === key) return;
  const before = new Map([...element.querySelectorAll("input")].map((input) => [input.name + input.value, input.checked]));
  const built = items.map(build);
  for (const input of built.flatMap((item) => [...item.querySelectorAll("input[type=checkbox]")])) {
    if (before.size) input.checked = before.get(input.name + input.value) ?? false;
  }
  element.replaceChildren(...built);
  element.dataset.key = key;
}

function options(select, entries) {
  const key = JSON.stringify(entries);
  if (select.dataset.key === key) return;
  const before = select.value;
  select.replaceChildren(...entries.map(([value, text]) => make("option", { value, textContent: text })));
  if (entries.some(([value]) => value === before)) select.value = before;
  select.dataset.key = key;
}

$("mix").addEventListener("change", drawMixture);
$("prior").addEventListener("change", drawGeneration);
$("generate-model").addEventListener("change", drawGeneration);
$("pitch").addEventListener("change", () => { $("shift-row").hidden = $("pitch").value !== "shift"; });
$("shift").addEventListener("input", () => { $("shift-shown").value = signed($("shift").value); });
const signed = (number) => (number >= 0 ? `+${Number(number)}` : `${Number(number)}`);

// Orders

const ORDERS = {
  convert: () => ({
    kind: "convert", recording: needed(chosen, "a recording"), models: needed(checked("models"), "a model"), to: targets(),
    pitch: $("pitch").value === "shift" ? signed($("shift").value) : $("pitch").value,
    vocoder: $("vocoder").value || null, speaker: $("speaker").value || null,
  }),
  enroll: () => ({
    kind: "enroll", recordings: needed(checked("enroll-recordings"), "a recording of the voice"),
    model: $("enroll-model").value, name: $("name").value.trim(),
  }),
  generate: () => ({
    kind: "generate", prior: $("prior").value, model: needed($("generate-model").value, "a model"), to: $("generate-voice").value,
    prompt: $("continue").checked ? needed(chosen, "a recording to continue") : null,
    seconds: Number($("seconds").value), count: Number($("count").value), seed: Number($("seed").value),
    temperature: Number($("temperature").value), top_p: Number($("top-p").value),
  }),
};

function targets() {
  const sliders = [...$("mixture").querySelectorAll("input")].filter(({ value }) => Number(value) > 0);
  if (sliders.length) return [sliders.map(({ name, value }) => `${name}:${value / 100}`).join(",")];
  return needed(checked("voices"), "a voice");
}

function needed(value, what) {
  if (!value?.length) throw new Error(`choose ${what} first`);
  return value;
}

for (const [id, make_order] of Object.entries(ORDERS)) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const sentence = $(id).querySelector(".sentence");
    sentence.textContent = "";
    try {
      const { id: job } = await order(make_order());
      await refresh();
      if (innerWidth <= 820) $(`job-${job}`).scrollIntoView({ behavior: "smooth" });
    } catch (error) {
      sentence.textContent = error.message;
    }
  });
}

async function cancel(job) {
  await ask(`jobs/${job.id}/stop`, { method: "POST" }).catch(() => null);
  refresh();
}

async function remove(job) {
  await ask(`jobs/${job.id}`, { method: "DELETE" }).catch(() => null);
  refresh();
}

function use(job) {
  open("convert");
  $("models").querySelectorAll("input").forEach((input) => { input.checked = input.value === job.id; });
  drawVoices();
  $("voices").querySelectorAll("input").forEach((input) => { input.checked = input.value === job.order.name; });
  drawMixture();
  $("source").scrollIntoView({ behavior: "smooth" });
}

// Tabs

function open(id) {
  for (const name of Object.keys(ORDERS)) {
    $(name).hidden = name !== id;
    $(`tab-${name}`).setAttribute("aria-selected", name === id);
    $(`tab-${name}`).tabIndex = name === id ? 0 : -1;
  }
}
$("tabs").addEventListener("click", ({ target }) => { if (target.role === "tab") open(target.getAttribute("aria-controls")); });
$("tabs").addEventListener("keydown", ({ key }) => {
  if (key !== "ArrowLeft" && key !== "ArrowRight") return;
  const tabs = [...$("tabs").children].filter((tab) => !tab.hidden);
  const at = tabs.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
  const next = tabs[(at + (key === "ArrowRight" ? 1 : tabs.length - 1)) % tabs.length];
  open(next.getAttribute("aria-controls"));
  next.focus();
});

open("convert");
refresh();
addEventListener("focus", refresh);
