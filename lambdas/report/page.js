"use strict";
// Unpacks the page's data, makes lists downloadable, and draws the plot. All other things do without.
(async () => {
  const text = document.getElementById("data").textContent;
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).json();
  offerLists(data);
  if (document.getElementById("scatter")) drawScatter(data);
})();

function offerLists({ lists, paths, prefix }) {
  const quoted = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const cell = (kind, value) => {
    if (value === null) return "";
    if (kind === "path") return quoted(prefix + paths[value]);
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
