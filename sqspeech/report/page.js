// Keys on a cell with a sound: space plays and stops it, the arrows lead to the cells beside, above and below.
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const rows = [...document.querySelectorAll(".listening tbody"), ...document.querySelectorAll("#generated")]
  .map((row) => [...row.querySelectorAll(".playable")]);

document.addEventListener("keydown", (event) => {
  const cell = document.activeElement;
  if (!cell.classList.contains("playable")) return;
  if (event.key === " ") {
    const audio = cell.querySelector("audio");
    if (audio.paused) audio.play(); else audio.pause();
  } else if (event.key in STEPS) {
    const [down, right] = STEPS[event.key];
    const row = rows.findIndex((cells) => cells.includes(cell)), place = rows[row].indexOf(cell);
    const next = rows[row + down]?.[Math.min(place + right, rows[row + down].length - 1)];
    next?.focus();
  } else return;
  event.preventDefault();
});
document.addEventListener("play", ({ target }) => {
  for (const other of document.querySelectorAll("audio")) if (other !== target && !other.muted) other.pause();
}, true);
