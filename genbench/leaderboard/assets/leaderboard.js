(() => {
"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Rows that are equal stand as they first stood.
const places = new Map(all("table.board tbody tr").map((row, place) => [row, place]));

// A cell says what it is sorted by; rows without a value come last whichever way the others go.
function keyOf(row, column) {
  const text = row.cells[column].firstChild?.textContent.trim() ?? "";
  if (text === "" || text === "–") return null;
  // Of a range of ranks the first; signs, spaces and units as they are printed.
  const number = Number.parseFloat(text.replace("−", "-").replace(/[\u202f+]/g, ""));
  return Number.isNaN(number) || !/^[-+−\d]/.test(text) ? text : number;
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

for (const head of all("[data-fold]")) {
  const body = head.closest("tbody"), button = document.createElement("button");
  const fold = (folded) => {
    body.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
  };
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => fold(!body.classList.contains("folded")));
  head.append(button);
  fold(true);
}

// A row is found by its own words and by what the list of measures says of it.
const said = new Map(all("#measures tbody tr").map((row) => [row.cells[0].textContent, row.textContent]));
const nameOf = (row) => (row.cells[1].querySelector("a") ?? row.cells[1]).textContent;
const rows = all("table.board tbody tr").filter((row) => row.cells.length > 1);
const words = new Map(rows.map((row) => [row, `${nameOf(row)} ${row.cells[2].textContent} ${said.get(nameOf(row)) ?? ""}`.toLowerCase()]));

const search = document.getElementById("search"), shown = document.getElementById("shown");
function filter() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    row.hidden = !wanted.every((word) => words.get(row).includes(word));
    count += row.hidden ? 0 : 1;
  }
  for (const table of all("table.board")) table.classList.toggle("filtered", wanted.length > 0);
  shown.value = wanted.length ? `${count} of ${rows.length} rows` : "";
}
if (search) {
  search.addEventListener("input", filter);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  search.form.hidden = false;
}

// A link opens what it leads to; on paper every suite has its first table.
function follow() {
  const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!there) return;
  for (let each = there.querySelector("details") ?? there; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  there.scrollIntoView();
}
addEventListener("hashchange", follow);
if (location.hash) follow();
addEventListener("beforeprint", () => all("details.suite").forEach((each) => { each.open = true; }));
})();
