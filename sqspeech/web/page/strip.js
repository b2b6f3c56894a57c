// The waveform with the units under it, of which only the part in sight is drawn: there may be an hour of it.
import { make } from "./dom.js";

const WAVE = 44, STAGE = 34, CLOSEST = 48;
const colour = (code) => `hsl(${(code * 137.508) % 360} 62% 74%)`;

export function timeline(outline, units, runs, seconds, audio, base) {
  const stages = units ? runs.codes[0].length : 0;
  const ends = units ? cumulative(runs.lengths, units) : [];
  const canvas = make("canvas"), inner = make("div", {}, canvas), scroller = make("div", { className: "timeline", tabIndex: 0 }, inner);
  scroller.setAttribute("aria-label", "Waveform and units");
  const shown = make("output");
  const closest = units ? CLOSEST * units.rate : 800;
  let scale = units ? 13 * units.rate : 100; // pixels a second

  const fit = () => scroller.clientWidth / seconds;
  function zoom(factor) {
    const middle = (scroller.scrollLeft + scroller.clientWidth / 2) / scale;
    scale = Math.min(closest, Math.max(fit(), scale * factor));
    draw();
    scroller.scrollLeft = middle * scale - scroller.clientWidth / 2;
    draw();
  }

  function draw() {
    const width = scroller.clientWidth, height = WAVE + stages * STAGE, pixels = devicePixelRatio;
    if (!width) return;
    scale = Math.max(scale, fit());
    inner.style.width = `${Math.max(width, Math.floor(seconds * scale))}px`;
    canvas.width = width * pixels; canvas.height = height * pixels;
    canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(pixels, pixels);
    const begin = scroller.scrollLeft / scale, end = begin + width / scale;
    drawWave(pen, begin, end);
    if (units) drawUnits(pen, begin, end);
    if (audio.currentTime) {
      pen.fillStyle = getComputedStyle(scroller).color;
      pen.fillRect((audio.currentTime - begin) * scale - 1, 0, 2, height);
    }
  }

  function drawWave(pen, begin, end) {
    const step = seconds / outline.length, top = Math.max(...outline, 1);
    pen.fillStyle = getComputedStyle(scroller).getPropertyValue("--accent");
    for (let i = Math.floor(begin / step); i < Math.min(outline.length, end / step + 1); i++) {
      const high = Math.max(1, (WAVE - 6) * outline[i] / top);
      pen.fillRect((i * step - begin) * scale, (WAVE - high) / 2, Math.max(1, step * scale - 0.5), high);
    }
  }

  function drawUnits(pen, begin, end) {
    pen.font = "11px ui-monospace, Menlo, monospace";
    pen.textAlign = "center"; pen.textBaseline = "middle";
    for (let i = firstAfter(ends, begin); i < ends.length; i++) {
      const from = i ? ends[i - 1] : units.offset;
      if (from > end) break;
      const x = (from - begin) * scale, wide = (ends[i] - from) * scale;
      runs.codes[i].forEach((code, stage) => drawUnit(pen, code, x, WAVE + stage * STAGE, wide));
    }
  }

  const current = () => {
    const i = firstAfter(ends, audio.currentTime);
    return i < ends.length && audio.currentTime >= units.offset ? `unit ${runs.codes[i].join(", ")} at ${audio.currentTime.toFixed(2)} s` : "";
  };
  function follow() {
    if (units) shown.value = current();
    const at = audio.currentTime * scale - scroller.scrollLeft;
    if (!audio.paused && (at < 0 || at > scroller.clientWidth * 0.85)) scroller.scrollLeft += at - scroller.clientWidth * 0.15;
    draw();
    if (!audio.paused) requestAnimationFrame(follow);
  }

  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", follow);
  scroller.addEventListener("scroll", draw);
  new ResizeObserver(draw).observe(scroller);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  inner.addEventListener("click", (event) => {
    audio.currentTime = (event.clientX - scroller.getBoundingClientRect().left + scroller.scrollLeft) / scale;
  });

  const button = (text, label, act) => make("button", { type: "button", className: "plain", textContent: text, ariaLabel: label, onclick: act });
  const bar = make("div", { className: "bar" },
    units ? make("span", { className: "soft small", textContent: `${units.count} units of ${units.size}, ${units.rate} a second` })
      : make("span", { className: "soft small", textContent: "this model has no codebook, and so no units" }),
    units ? make("a", { className: "plain", href: base + units.table, download: "units.csv", textContent: "units.csv" }) : null,
    shown, button("−", "Show more of the recording", () => zoom(0.5)), button("+", "Show it larger", () => zoom(2)));
  return make("div", { className: "units" }, bar, scroller);
}

function drawUnit(pen, code, x, y, wide) {
  pen.fillStyle = colour(code);
  pen.fillRect(x, y, Math.max(0.5, wide - (wide > 4 ? 1 : 0)), STAGE - 1);
  pen.fillStyle = "#1d232b";
  const text = String(code);
  if (wide > 7 * text.length + 3) pen.fillText(text, x + wide / 2, y + STAGE / 2);
  else if (wide >= 11) {
    pen.save();
    pen.translate(x + wide / 2, y + STAGE / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(text, 0, 0);
    pen.restore();
  }
}

function cumulative(lengths, units) {
  let count = 0;
  return lengths.map((length) => units.offset + (count += length) / units.rate);
}

function firstAfter(ends, time) {
  let low = 0, high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] > time) high = middle; else low = middle + 1;
  }
  return low;
}
