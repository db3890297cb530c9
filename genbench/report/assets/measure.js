// One measure in full: what it is, where it stands, how it follows the target, what moves it.
const sheet = document.getElementById("measure");
// The width that the style gives the sheet where the window is wide enough, in pixels.
const SHEET = 736;
let current = null, scale = null, opener = null;

const placeOf = (name) => standing()?.rows.findIndex((row) => row.measure === name) ?? -1;

function bar(value, low, high) {
  const at = (each) => (50 + 50 * Math.max(-1, Math.min(1, each))).toFixed(1);
  const found = html("i", { class: "interval" });
  found.style.setProperty("--zero", "50%");
  if (known(value)) found.style.setProperty("--v", at(value));
  if (known(low) && known(high)) {
    found.style.setProperty("--l", at(low));
    found.style.setProperty("--h", at(high));
  }
  return found;
}

const between = (low, high) => (known(low) && known(high) ? `${signed(low)} to ${signed(high)}` : "");

function facts(name) {
  const info = data.measures[name], row = standing()?.rows[placeOf(name)];
  const claims = { "+": "larger should mean a larger", "-": "larger should mean a smaller", "?": "no claim about the" };
  const statuses = Object.entries(info.statuses).map(([status, count]) => `${count} ${plainly(status)}`).join(", ");
  const lines = [
    ["family", info.family],
    ["also named", info.aliases.join(", ")],
    ["direction", row ? `${info.direction.replace("-", "−")}, ${claims[info.direction]} ${plainly(chosen.target)}` : info.direction],
    ["rank", row && row.rank_low !== null ? `${row.rank_low} to ${row.rank_high} of ${standing().ranked}${row.group === "held-out" ? ", among those that use held-out data" : ""}` : row?.reason],
    ["cost", info.cost_class && `${seconds(info.seconds)} alone, class ${info.cost_class}`],
    ["values", statuses],
    ["source", info.source],
    ["from", info.plugin && `${info.plugin}, version ${info.version}`],
  ];
  return html("dl", { class: "card" }, lines.filter(([, text]) => text).map(([term, text]) => [html("dt", {}, term), html("dd", {}, inCode(text))]));
}

function byAxis(name) {
  const place = placeOf(name);
  if (place < 0) return "";
  const rows = standing().axes.map((axis) =>
    html("tr", {}, html("th", { scope: "row" }, axis.axis), html("td", { class: "drawn" }, bar(axis.value[place], axis.low[place], axis.high[place])),
      html("td", { class: "number" }, signed(axis.value[place])), html("td", { class: "number mid" }, between(axis.low[place], axis.high[place])),
      html("td", { class: "number mid" }, axis.groups[place] ?? "–")));
  return html("div", { class: "wrap" }, html("table", { class: "plain" },
    html("caption", {}, "Granulated τ by axis, times the direction"),
    html("thead", {}, html("tr", {}, ["axis", "", "τ", "95 %", "groups"].map((head, column) =>
      html("th", { scope: "col", class: ["", "drawn", "number", "number mid", "number mid"][column] }, head || html("span", { class: "sr" }, "drawn"))))),
    html("tbody", {}, rows)));
}

function statistics(name) {
  const place = placeOf(name);
  if (place < 0) return "";
  const rows = standing().statistics.filter((each) => each.value[place] !== null).map((each) =>
    html("tr", {}, html("th", { scope: "row" }, html("abbr", { title: each.meaning || null }, plainly(each.name))),
      html("td", { class: "number" }, signed(each.value[place], 3)),
      html("td", { class: "number" }, each.low && each.high ? between(each.low[place], each.high[place]) : "")));
  return html("details", {}, html("summary", {}, "All statistics, raw as published"), html("table", { class: "plain" },
    html("caption", { class: "sr" }, "All statistics"),
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "statistic"), html("th", { scope: "col", class: "number" }, "value"), html("th", { scope: "col", class: "number" }, "95 %"))),
    html("tbody", {}, rows)));
}

function invariance(name) {
  const found = data.measures[name].invariance;
  if (!found.rows?.length) return "";
  return html("div", { class: "wrap" }, html("table", { class: "plain" },
    html("caption", {}, "What moves it: its value when an audited network is changed like this"),
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "change"), found.networks.map((each) => html("th", { scope: "col", class: "number" }, each)))),
    html("tbody", {}, found.rows.map((row) => row.map((place) => data.words[place])).map((row) => html("tr", {}, html("th", { scope: "row" }, row[0]), row.slice(1).map((cell) => html("td", { class: "number" }, cell)))))));
}

function plotOf(name) {
  if (!chosen.target) return "";
  const box = html("div");
  const draw = () => box.replaceChildren(scatter(name, scale, Math.min(innerWidth, SHEET) - 64));
  const axes = html("select", { "data-choice": "axis" });
  const scales = html("select", { onchange: (event) => { scale = event.target.value; draw(); } },
    [NUMBERS, LOGARITHM, RANKS].map((each) => html("option", { value: each }, each)));
  scale ??= usualScale(data.measures[name].values);
  scales.value = scale;
  axisChoice(axes, () => { draw(); redrawAll(); });
  draw();
  return html("div", {}, html("p", { class: "controls" }, html("label", {}, "Colour by ", axes), html("label", {}, "Horizontally ", scales)), box);
}

function neighbour(step) {
  const rows = all("tr[data-row]", rankingOf(chosen.target)).filter((row) => !row.hidden && !row.closest("[hidden]") && one(".open", row));
  const names = rows.map((row) => one(".open", row).dataset.measure);
  const next = names[names.indexOf(current) + step];
  if (next) showMeasure(next);
}

function showMeasure(name) {
  current = name;
  scale = null;
  drawMeasure();
  history.replaceState(null, "", `#measure=${encodeURIComponent(name)}`);
}

function drawMeasure() {
  const info = data.measures[current];
  const steps = chosen.target
    ? [html("button", { type: "button", class: "quiet", onclick: () => neighbour(-1) }, "Previous"), html("button", { type: "button", class: "quiet", onclick: () => neighbour(1) }, "Next")]
    : [];
  const held = document.activeElement?.textContent;
  sheet.replaceChildren(
    html("div", { class: "top" }, steps, html("button", { type: "button", class: "quiet", onclick: () => sheet.close() }, "Close")),
    html("h2", { id: "measure-title" }, breakable(current)),
    info.formula ? html("p", { class: "formula" }, inCode(info.formula)) : "",
    ...paragraphs(info.documentation),
    plotOf(current), byAxis(current), facts(current), invariance(current), statistics(current),
  );
  // Stepping through the measures keeps the focus on the button that steps.
  if (sheet.open) (all(".top button", sheet).find((each) => each.textContent === held) ?? one(".top button:last-child", sheet)).focus();
  sheet.scrollTop = 0;
}

function openMeasure(name) {
  opener = document.activeElement;
  showMeasure(name);
  sheet.showModal();
  one(".top button:last-child", sheet).focus();
}

function startMeasure() {
  sheet.addEventListener("close", () => {
    history.replaceState(null, "", location.pathname + location.search);
    current = null;
    opener?.focus();
  });
  sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
  sheet.addEventListener("keydown", (event) => {
    if (/^(SELECT|INPUT)$/.test(event.target.tagName) || !chosen.target) return;
    if (event.key === "ArrowLeft") neighbour(-1);
    if (event.key === "ArrowRight") neighbour(1);
  });
  const follow = () => {
    const asked = new URLSearchParams(location.hash.slice(1)).get("measure") ?? "";
    if (hasCard(asked) && asked !== current) sheet.open ? showMeasure(asked) : openMeasure(asked);
  };
  addEventListener("hashchange", follow);
  follow();
}
