// The ranking: sorted by the heads of its columns, filtered by words, family and cost, for each target.
const filters = { words: [], family: "", cost: "" };
const haystack = new Map();

function wordsOf(name) {
  if (!haystack.has(name)) {
    const info = data.measures[name];
    haystack.set(name, [name, ...(info ? [info.family, info.formula, info.documentation, info.source, ...info.aliases] : [])].join(" ").toLowerCase());
  }
  return haystack.get(name);
}

function passes(name) {
  const info = data.measures[name];
  if (filters.family && info?.family !== filters.family) return false;
  if (filters.cost && !(info && info.cost_class <= filters.cost)) return false;
  return filters.words.every((word) => wordsOf(name).includes(word));
}

function applyFilters() {
  for (const target of data.targets) {
    const board = rankingOf(target);
    // What is asked for is shown, in the fold too.
    board.classList.toggle("filtered", Boolean(filters.words.length || filters.family || filters.cost));
    let shown = 0, total = 0;
    for (const body of board.tBodies) {
      let here = 0;
      for (const row of body.rows) {
        if (!row.dataset.row) continue;
        row.hidden = !passes(data.standings[target].rows[row.dataset.row].measure);
        total += 1;
        here += row.hidden ? 0 : 1;
      }
      body.hidden = here === 0;
      shown += here;
    }
    if (target === chosen.target) one("#shown").value = shown === total ? counted(total, "row") : `${shown} of ${counted(total, "row")}`;
  }
}

const rankingOf = (target) => all(".ranking").find((each) => each.dataset.target === target).firstElementChild;

function sortKey(row, key) {
  if (key === "cost_class") return data.measures[row.measure]?.cost_class ?? null;
  if (key === "rank_low") return row.rank_low === null ? null : row.rank_low + row.rank_high / 1e4 - (row.score ?? 0) / 1e6;
  return number(row[key]);
}

// Rows without a value come last whichever way the others go.
function sortBy(key, descending) {
  for (const target of data.targets) {
    const table = rankingOf(target), rows = data.standings[target].rows;
    for (const head of table.tHead.rows[0].cells) {
      if (head.dataset.sort === key) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    for (const body of table.tBodies) {
      const movable = [...body.rows].filter((row) => row.dataset.row).map((row) => [sortKey(rows[row.dataset.row], key), Number(row.dataset.row), row]);
      movable.sort(([a, first], [b, second]) => {
        const absent = (a === null || a === undefined || a === "") - (b === null || b === undefined || b === "");
        if (absent) return absent;
        const order = typeof a === "string" ? a.localeCompare(b, "en") : a - b;
        return (descending ? -order : order) || first - second;
      });
      body.append(...movable.map(([, , row]) => row));
    }
  }
}

function startFold(head) {
  const body = head.closest("tbody");
  const button = html("button", { type: "button", onclick: () => fold(!body.classList.contains("folded")) }, ...head.childNodes);
  const fold = (folded) => {
    body.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
  };
  head.append(button);
  fold(true);
}

const LARGE_FIRST = new Set(["score", "tau", "cmi", "r2"]);

function startRanking() {
  for (const head of all(".board th[data-sort]")) {
    const key = head.dataset.sort;
    head.replaceChildren(html("button", {
      type: "button",
      onclick: () => {
        const now = head.getAttribute("aria-sort");
        sortBy(key, now ? now === "ascending" : LARGE_FIRST.has(key));
      },
    }, ...head.childNodes));
  }
  all("[data-fold]").forEach(startFold);
  // On a small screen the ranking comes first, and what filters it waits to be asked for.
  one(".tools").open = innerWidth > 704;
  const families = [...new Set(Object.values(data.measures).map((each) => each.family))].sort();
  one("#family").append(...families.map((family) => html("option", { value: family }, family)));
  one("#search").addEventListener("input", (event) => {
    filters.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    applyFilters();
  });
  one("#family").addEventListener("change", (event) => { filters.family = event.target.value; applyFilters(); });
  one("#cost-class").addEventListener("change", (event) => { filters.cost = event.target.value; applyFilters(); });
  one("#filters").addEventListener("submit", (event) => event.preventDefault());
  one("#filters").hidden = false;
  for (const button of all(".open")) button.addEventListener("click", () => openMeasure(button.dataset.measure));
  applyFilters();
}

function chooseTarget(target) {
  chosen.target = target;
  for (const each of all("[data-target]")) each.hidden = each.dataset.target !== target;
  applyFilters();
  redrawAll();
}
