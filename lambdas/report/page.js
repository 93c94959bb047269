"use strict";
// Unpacks the page's data, makes lists downloadable, and draws the plot. All other things do without.
(async () => {
  const text = document.getElementById("data").textContent;
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).json();
  offerLists(data);
  if (!document.getElementById("scatter")) return;
  listLabels(data);
  drawScatter(data);
})();

// A button for each label, with its usual photo and how many there are; last those without.
function listLabels({ labels, names, usual, shown }) {
  const counts = new Map();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const seen = new Set(shown);
  const inOrder = [...counts.keys()].sort((one, other) => (one < 0) - (other < 0) || one - other);
  const made = inOrder.map((label) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.label = label;
    button.dataset.name = label < 0 ? "no label" : names[label];
    const part = (kind, text) => {
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = text;
      return span;
    };
    button.append(part("swatch", ""));
    if (seen.has(usual[label])) button.append(pictureOf(usual[label]));
    button.append(part("name", button.dataset.name), part("faint", counts.get(label).toLocaleString("en")));
    const item = document.createElement("li");
    item.append(button);
    return item;
  });
  document.getElementById("labels").append(...made);
}

function pictureOf(row) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("class", "photo");
  picture.setAttribute("viewBox", "0 0 96 96");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#p${row}`);
  picture.append(use);
  return picture;
}

function offerLists({ lists, paths, whole, prefix }) {
  const quoted = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const cell = (kind, value) => {
    if (value === null) return "";
    if (kind === "path") return quoted(prefix + (whole[value] ?? paths[value]));
    return kind === "number" ? String(value) : quoted(String(value));
  };
  for (const button of document.querySelectorAll("button[data-list]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const { columns, rows } = lists[button.dataset.list];
      const lines = rows.map((row) => row.map((value, n) => cell(columns[n][1], value)).join(","));
      const content = [columns.map(([name]) => name).join(","), ...lines, ""].join("\n");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
      link.download = button.dataset.file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }
}
