// What has become of an order: its progress, its sentence, or what can be heard.
import { clock, make } from "./dom.js";
import { ask } from "./server.js";
import { timeline } from "./strip.js";

const ENDED = new Set(["done", "failed", "stopped"]);
const cards = new Map();

export function show(list, jobs, actions) {
  for (const [id, card] of cards) {
    if (!jobs.some((job) => job.id === id)) {
      card.element.remove();
      cards.delete(id);
    }
  }
  jobs.forEach((job, place) => {
    if (!cards.has(job.id)) cards.set(job.id, new Card(job, actions));
    const card = cards.get(job.id);
    card.update(job);
    if (list.children[place] !== card.element) list.insertBefore(card.element, list.children[place] ?? null);
  });
}

class Card {
  constructor(job, actions) {
    this.actions = actions;
    const act = (text, does) => make("button", { type: "button", className: "plain", textContent: text, onclick: does });
    this.cancel = act("Cancel", () => actions.cancel(job));
    this.remove = act("Remove", () => actions.remove(job));
    this.bar = make("progress", { max: 1 });
    this.line = make("p", { className: "soft small" });
    this.sentence = make("p", { className: "sentence" });
    this.body = make("div");
    this.time = make("span", { className: "soft small" });
    const title = make("h3", {}, job.title, make("span", { className: "soft", textContent: about(job) }));
    this.element = make("article", { className: "card job", id: `job-${job.id}` },
      make("header", {}, title, make("div", {}, this.time, this.cancel, this.remove)),
      this.bar, this.line, this.sentence, this.body);
  }

  update(job) {
    if (this.state === "drawn" || this.state === job.state && ENDED.has(job.state)) return;
    const ended = ENDED.has(job.state);
    this.state = job.state;
    this.element.dataset.state = job.state;
    this.cancel.hidden = ended;
    this.remove.hidden = !ended;
    this.bar.hidden = job.state !== "running";
    if (job.share) this.bar.value = job.share; else this.bar.removeAttribute("value");
    this.line.hidden = job.state === "done" || job.state === "failed";
    this.line.textContent = progress(job, this.begun ??= job.state === "running" ? Date.now() : undefined);
    this.sentence.textContent = job.sentence;
    if (job.state === "done") {
      this.time.textContent = `in ${clock(job.seconds)} `;
      this.draw(job);
    }
  }

  async draw(job) {
    this.state = "drawn";
    const result = await ask(`jobs/${job.id}`), base = `jobs/${job.id}/files/`;
    if (job.order.kind === "enroll") this.body.append(enrolled(job, result, base, this.actions));
    else if (job.order.kind === "generate") this.body.append(cells(result.speech, base));
    else for (const [place, model] of result.models.entries()) {
      this.body.append(make("h4", {}, job.order.model_names[place], make("span", { className: "soft", textContent: model.vocoder ? `, ${model.vocoder}` : "" })));
      if (model.sentence) this.body.append(make("p", { className: "sentence", textContent: model.sentence }));
      else this.body.append(await converted(result.of, model, base));
    }
  }
}

function about(job) {
  const { kind, to, model_names: models } = job.order;
  if (kind === "enroll") return ` for ${models[0]}`;
  return kind === "convert" ? ` → ${to.join("; ")}` : ` → ${to}, ${models[0]}`;
}

function progress(job, begun) {
  if (job.state === "waiting") return job.ahead ? `waits for ${job.ahead} before it` : "waits";
  if (job.state === "stopped") return "cancelled";
  const gone = (Date.now() - begun) / 1000;
  const left = job.share > 0.02 && gone > 3 ? `, about ${clock(gone / job.share - gone)} left` : "";
  return `${job.step || "preparing"} ${job.share ? `${Math.round(100 * job.share)} %` : ""}${left}`;
}

async function converted(recording, model, base) {
  const source = { role: "source", speaker: "recorded", url: `recordings/${recording}`, picture: model.picture };
  const figures = cells([source, ...model.speech], base);
  const runs = model.units && await ask(base + model.units.runs);
  const strip = timeline(model.outline, model.units, runs, model.seconds, figures.querySelector("audio"), base);
  const note = model.note ? make("p", { className: "soft small", textContent: model.note }) : null;
  return make("div", {}, ...[note, strip, figures].filter(Boolean));
}

function cells(speech, base) {
  return make("div", { className: "cells" }, ...speech.map((one) => cell(one, base)));
}

function cell({ role, speaker, file, url, picture, prompt, seconds }, base) {
  const audio = make("audio", { controls: true, preload: "metadata", src: url ?? base + encode(file) });
  audio.dataset.role = role;
  audio.setAttribute("aria-label", `${role}, ${speaker}`);
  const missing = make("p", { className: "soft small", textContent: "This browser cannot play the recording; it is converted all the same.", hidden: true });
  const place = make("i");
  const image = make("div", { className: "picture" }, make("img", { src: base + picture, alt: `Log-mel spectrogram, ${role}, ${speaker}` }), place);
  if (prompt) {
    const part = make("i", { className: "prompt" });
    part.style.width = `${100 * Math.min(1, prompt / seconds)}%`;
    image.append(part);
  }
  const move = () => {
    place.style.width = `${100 * audio.currentTime / (audio.duration || 1)}%`;
    place.className = audio.currentTime ? "moved" : "";
    if (!audio.paused) requestAnimationFrame(move);
  };
  audio.addEventListener("play", () => {
    document.querySelectorAll("audio").forEach((other) => other === audio || other.pause());
    move();
  });
  audio.addEventListener("seeked", move);
  audio.addEventListener("error", () => { missing.hidden = false; });
  image.addEventListener("click", (event) => {
    const box = image.getBoundingClientRect();
    audio.currentTime = (event.clientX - box.left) / box.width * audio.duration;
    audio.play();
  });
  const save = file ? make("a", { className: "plain", href: base + encode(file), download: file.split("/").pop(), textContent: "Download" }) : null;
  return make("figure", {}, make("figcaption", {}, make("span", {}, make("b", { textContent: speaker }), make("span", { className: "soft", textContent: ` ${role}` })), save), image, audio, missing);
}

function enrolled(job, result, base, actions) {
  const use = make("button", { type: "button", textContent: "Convert to it", onclick: () => actions.use(job) });
  const save = make("a", { className: "button", href: base + encode(result.file), download: result.file, textContent: "Download the checkpoint" });
  save.style.textDecoration = "none";
  return make("div", {},
    make("p", { textContent: `Learnt from ${clock(result.seconds)} of speech.${result.note ? ` ${result.note}.` : ""}` }),
    make("p", {}, use, " ", save));
}

const encode = (path) => path.split("/").map(encodeURIComponent).join("/");
