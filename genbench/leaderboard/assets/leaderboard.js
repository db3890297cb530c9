(() => {
"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Rows that are equal stand as they first stood.
const places = new Map(all("table.board tbody tr").map((row, place) => [row, place]));

// A cell says what it is sorted by; rows without a value come last whichever way the others go.
function keyOf(row, column) {
  const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
  if (text === "" || text === "–") return null;
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function sortBy(table, column, descending) {
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    if (place === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => row.cells.length > 1).map((row) => [keyOf(row, column), places.get(row), row]);
    rows.sort(([a, first], [b, second]) => {
      const absent = (a === null) - (b === null);
      if (absent || a === null) return absent || first - second;
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
      return (descending ? -order : order) || first - second;
    });
    body.append(...rows.map(([, , row]) => row));
  }
}

for (const table of all("table.board")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.hasAttribute("data-sort")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sortBy(table, column, now ? now === "ascending" : head.dataset.sort === "large");
    });
    head.replaceChildren(button);
  });
}

const search = document.getElementById("search"), shown = document.getElementById("shown");
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0, total = 0;
  for (const row of all("table.board tbody tr[data-words]")) {
    row.hidden = !words.every((word) => row.dataset.words.toLowerCase().includes(word));
    total += 1;
    count += row.hidden ? 0 : 1;
  }
  shown.value = words.length ? `${count} of ${total} rows` : "";
}
if (search) {
  search.addEventListener("input", filter);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  search.form.hidden = false;
}
addEventListener("beforeprint", () => all("details").forEach((each) => { each.open = true; }));
})();
