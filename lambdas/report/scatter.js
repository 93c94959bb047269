"use strict";
// The plot of all photos on one canvas: labels that are searched and marked, and the photo under the pointer.
function drawScatter({ axes, labels, names, paths, shown, stands_for: standsFor }) {
  const MARKED = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#b8860b"];
  const RANGE = 4095; // of a coordinate
  const MARGIN = 12; // pixels, as is
  const CELL = 24; // the side of the squares by which points are found
  const COLUMNS = 4096; // more than a canvas has squares in a row
  const byId = (id) => document.getElementById(id);
  const [canvas, tip, ring] = [byId("scatter"), byId("tip"), byId("ring")];
  const pen = canvas.getContext("2d");
  const choice = [byId("axis-x"), byId("axis-y")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const count = labels.length;
  const [xs, ys] = [new Float32Array(count), new Float32Array(count)];
  const rowsOf = new Map();
  labels.forEach((label, row) => rowsOf.get(label)?.push(row) ?? rowsOf.set(label, [row]));
  const withPicture = new Set(shown);
  const marked = new Map(); // label to colour
  let cells = new Map();
  let current = -1;
  let printing = false;

  const nameOf = (label) => (label < 0 ? "no label" : names[label]);
  const onDark = () => dark.matches && !printing;
  const hue = (label) => (label < 0 ? "#888" : `hsl(${(label * 137.508) % 360} 60% ${onDark() ? 64 : 42}%)`);
  function colour(label) {
    if (!marked.size) return hue(label);
    return marked.get(label) ?? (onDark() ? "#4a4f57" : "#cdd1d6");
  }

  function place() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const [x, y] = choice.map((select) => axes[Number(select.value)]);
    cells = new Map();
    for (let row = 0; row < count; row++) {
      xs[row] = MARGIN + (x[row] / RANGE) * (width - 2 * MARGIN);
      ys[row] = height - MARGIN - (y[row] / RANGE) * (height - 2 * MARGIN);
      const cell = Math.floor(ys[row] / CELL) * COLUMNS + Math.floor(xs[row] / CELL);
      cells.get(cell)?.push(row) ?? cells.set(cell, [row]);
    }
    show(-1);
    draw();
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    pen.scale(ratio, ratio);
    pen.globalAlpha = count > 20000 ? 0.6 : 0.8;
    const size = count > 20000 ? 2 : count > 2000 ? 3 : 5;
    const markedLast = [...rowsOf.keys()].sort((one, other) => marked.has(one) - marked.has(other));
    for (const label of markedLast) {
      pen.fillStyle = colour(label);
      const side = marked.has(label) ? size + 2 : size;
      for (const row of rowsOf.get(label)) pen.fillRect(xs[row] - side / 2, ys[row] - side / 2, side, side);
    }
  }

  // The row of the nearest point within reach, marked ones first where it is close.
  function nearest(x, y, reach = CELL, allowed = () => true) {
    let [best, least] = [-1, reach * reach];
    const [column, line, span] = [Math.floor(x / CELL), Math.floor(y / CELL), Math.ceil(reach / CELL)];
    for (let down = line - span; down <= line + span; down++)
      for (let across = column - span; across <= column + span; across++)
        for (const row of cells.get(down * COLUMNS + across) ?? []) {
          const distance = (xs[row] - x) ** 2 + (ys[row] - y) ** 2 - (marked.has(labels[row]) ? 9 : 0);
          if (distance < least && allowed(row)) [best, least] = [row, distance];
        }
    return best;
  }

  function show(row) {
    if (row === current) return;
    current = row;
    tip.hidden = ring.hidden = row < 0;
    tip.replaceChildren();
    byId("said").textContent = row < 0 ? "" : `${nameOf(labels[row])}, ${paths[row]}`;
    if (row < 0) return;
    const similar = withPicture.has(row) ? row : shown[standsFor[row]];
    if (similar !== undefined) tip.append(pictureOf(similar));
    const text = document.createElement("div");
    const name = document.createElement("strong");
    name.textContent = nameOf(labels[row]);
    text.append(name, document.createElement("br"), paths[row]);
    if (similar !== undefined && similar !== row)
      text.append(document.createElement("br"), `(shown: ${paths[similar]}, the most similar one at hand)`);
    tip.append(text);
    [ring.style.left, ring.style.top] = [`${xs[row]}px`, `${ys[row]}px`];
    const left = Math.min(xs[row] + 14, canvas.clientWidth - tip.offsetWidth - 4);
    const below = ys[row] + 14 + tip.offsetHeight < canvas.clientHeight;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, below ? ys[row] + 14 : ys[row] - tip.offsetHeight - 14)}px`;
  }

  for (const event of ["pointermove", "pointerdown"])
    canvas.addEventListener(event, ({ offsetX, offsetY }) => show(nearest(offsetX, offsetY)));
  canvas.addEventListener("pointerleave", () => show(-1));
  const AHEAD = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show(-1);
    if (!(event.key in AHEAD)) return;
    event.preventDefault();
    const [right, down] = AHEAD[event.key];
    const started = current >= 0;
    const [x, y] = started ? [xs[current], ys[current]] : [canvas.clientWidth / 2, canvas.clientHeight / 2];
    const isAhead = (row) => {
      if (marked.size && !marked.has(labels[row])) return false; // grey: not what is looked for
      const along = (xs[row] - x) * right + (ys[row] - y) * down;
      const aside = Math.abs((xs[row] - x) * down) + Math.abs((ys[row] - y) * right);
      return !started || (along > 0 && aside <= along);
    };
    for (let reach = CELL; reach < canvas.clientWidth + canvas.clientHeight; reach *= 2) {
      const found = nearest(x, y, reach, isAhead);
      if (found >= 0) return show(found);
    }
  });

  const buttons = [...byId("labels").querySelectorAll("button")];
  const labelOf = (button) => Number(button.dataset.label);
  function refresh() {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(marked.has(labelOf(button))));
      button.firstElementChild.style.background = colour(labelOf(button));
    }
    const [said, more] = [[...marked.keys()].slice(0, 10).map(nameOf).join(", "), marked.size - 10];
    byId("marked").textContent = said ? `Marked: ${said}${more > 0 ? ` and ${more} more` : ""}.` : "Every label has a colour; similar ones repeat.";
    byId("clear").hidden = !said;
    draw();
  }
  function mark(label) {
    const used = new Set(marked.values());
    marked.set(label, MARKED.find((one) => !used.has(one)) ?? hue(label));
  }
  function matching() {
    const wanted = byId("search").value.trim().toLowerCase();
    return buttons.filter((button) => button.dataset.name.toLowerCase().includes(wanted));
  }
  // One label is in the page's order of tabs; from there, the arrow keys go to the others.
  function enter(button) {
    for (const one of buttons) one.tabIndex = one === button ? 0 : -1;
  }
  byId("labels").addEventListener("keydown", (event) => {
    const there = matching();
    const at = there.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: there.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    there[to]?.focus();
  });
  // What is searched is marked at once.
  function search() {
    const found = new Set(matching());
    enter([...found][0]);
    for (const button of buttons) button.parentElement.hidden = !found.has(button);
    byId("found").textContent = `${found.size} of ${buttons.length} labels`;
    marked.clear();
    if (found.size < buttons.length) for (const one of found) mark(labelOf(one));
    refresh();
  }
  for (const button of buttons) {
    button.addEventListener("focus", () => enter(button));
    button.addEventListener("click", () => {
      if (!marked.delete(labelOf(button))) mark(labelOf(button));
      refresh();
    });
  }
  byId("search").addEventListener("input", search);
  byId("clear").addEventListener("click", () => {
    byId("search").value = "";
    search();
  });
  for (const select of choice) select.addEventListener("change", place);
  dark.addEventListener("change", refresh);
  for (const [event, on] of [["beforeprint", true], ["afterprint", false]])
    window.addEventListener(event, () => { printing = on; draw(); });
  new ResizeObserver(place).observe(canvas);
  place();
  enter(buttons[0]);
  refresh();
}
