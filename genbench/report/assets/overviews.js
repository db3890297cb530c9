// The plots over all measures and all networks; each is drawn when it is about to be seen.
// Names beside the marks of a plot, those dropped that would lie over another.
function placeLabels(drawing, wanted, width) {
  const taken = [];
  for (const { x, y, text } of wanted) {
    const long = 6.3 * text.length;
    const left = x + 8 + long > width ? x - 8 - long : x + 8;
    const box = [left, y - 7, left + long, y + 7];
    if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
    taken.push(box);
    drawing.append(svg("text", { class: "label", x: left, y: y + 4 }, text));
  }
}

function costPlot(box) {
  const rows = standing().rows.filter((row) => known(row.seconds) && row.seconds > 0 && known(row.score) && row.group !== "control");
  const width = roomIn(box), height = Math.max(360, Math.round(0.42 * width));
  const x = makeScale(rows.map((row) => 1000 * row.seconds), "log", 58, width - 12);
  const y = makeScale([...rows.map((row) => row.score), 0, 1], "linear", height - 42, 26);
  const best = rows.filter((row) => row.pareto).sort((a, b) => a.seconds - b.seconds);
  const drawing = frame({ width, height, x, y, xTitle: "cost alone, ms", yTitle: "score", role: "group", // it holds links
    label: `Score against cost of ${counted(rows.length, "measure")}; best for their cost: ${best.map((row) => row.measure).join(", ")}` });
  if (best.length) {
    const steps = best.map((row, place) => `${place ? `H${x(1000 * row.seconds)}V` : `M${x(1000 * row.seconds)} `}${y(row.score)}`).join("");
    drawing.append(svg("path", { class: "front", d: `${steps}H${width - 12}` }));
  }
  for (const row of rows) {
    const dot = svg("circle", { class: "mark", cx: x(1000 * row.seconds), cy: y(row.score), r: row.pareto ? 5 : 3.5 });
    dot.style.stroke = `var(${row.group === "ranked" ? "--accent" : "--far"})`;
    dot.style.fill = row.pareto ? "var(--accent)" : "none";
    dot.style.fillOpacity = 1;
    const link = svg("a", { href: `#measure=${encodeURIComponent(row.measure)}`, tabindex: row.pareto ? 0 : -1 },
      svg("title", {}, `${row.measure}\nscore ${signed(row.score)}, ${seconds(row.seconds)}${row.group === "ranked" ? "" : `, ${row.group}`}`), dot);
    drawing.append(link);
  }
  placeLabels(drawing, best.map((row) => ({ x: x(1000 * row.seconds), y: y(row.score) - 9, text: row.measure })), width);
  const table = html("details", {}, html("summary", {}, `Best for their cost: ${counted(best.length, "measure")}`), html("table", { class: "plain" },
    html("caption", { class: "sr" }, "Measures of which none is both cheaper and better"),
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "measure"), html("th", { scope: "col", class: "number" }, "cost alone"), html("th", { scope: "col", class: "number" }, "score"))),
    html("tbody", {}, best.map((row) => html("tr", {}, html("th", { scope: "row" }, breakable(row.measure)), html("td", { class: "number" }, seconds(row.seconds)), html("td", { class: "number" }, signed(row.score)))))));
  return [drawing, table];
}

const HEAT_STATISTICS = ["psi", "tau", "cmi", "spearman", "partial_tau"];

function heatPlot() {
  const board = standing();
  const more = board.statistics.filter((each) => HEAT_STATISTICS.includes(each.name));
  const cell = (value, sure) => {
    const found = html("td", {}, signed(value) + (sure ? "*" : ""));
    if (known(value)) {
      found.className = value < 0 ? "opposed" : "for";
      found.style.setProperty("--size", Math.min(1, Math.abs(value)));
    }
    return found;
  };
  const rows = board.rows.map((row, place) => {
    const sign = row.direction === "-" ? -1 : 1;
    if (row.score === null) return "";
    return html("tr", {}, html("th", { scope: "row" }, hasCard(row.measure) ? html("button", { type: "button", class: "open", onclick: () => openMeasure(row.measure) }, breakable(row.measure)) : breakable(row.measure)),
      board.axes.map((axis) => cell(axis.value[place], axis.low[place] > 0 || (axis.high[place] !== null && axis.high[place] < 0))),
      html("td", { class: "gap" }),
      more.map((each) => cell(each.value[place] === null ? null : sign * each.value[place], false)));
  });
  return [html("table", { class: "heat" },
    html("caption", { class: "sr" }, "Granulated tau by measure and axis, then other statistics, times the direction claimed"),
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "measure"),
      board.axes.map((axis) => html("th", { scope: "col" }, axis.axis.split(".").slice(1).join(".") || axis.axis)), html("td", { class: "gap" }),
      more.map((each) => html("th", { scope: "col", title: each.meaning }, plainly(each.name))))),
    html("tbody", {}, rows))];
}

function rhoBetween(a, b) {
  if (a === b) return 100;
  return a > b ? data.correlation.rho[a][b] : data.correlation.rho[b][a];
}

// Cells in pixels; names stand beside the rows where there are few enough of them to be read.
const LARGEST_CELL = 28, MOST_NAMED = 30, NAMES_WIDTH = 150;

function correlationPlot(box) {
  const names = data.correlation.measures;
  if (names.length < 2) return [html("p", { class: "note" }, "Fewer than two measures take more than one value.")];
  // Whole device pixels for each cell, so that no line of cells is wider than another.
  const named = names.length <= MOST_NAMED;
  const room = roomIn(box, 640) - (named ? NAMES_WIDTH : 0);
  const size = Math.max(1, Math.min(LARGEST_CELL * devicePixelRatio, Math.floor((room * devicePixelRatio) / names.length)));
  const canvas = html("canvas", { width: size * names.length, height: size * names.length, tabindex: 0, role: "img", "aria-label": `Correlation between ${names.length} measures, clustered; the arrow keys read it cell by cell` });
  const readout = html("p", { class: "readout", "aria-live": "polite" });
  const paint = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const [paper, accent, against] = ["--paper", "--accent", "--against"].map((each) => style.getPropertyValue(each));
  canvas.style.width = `${canvas.width / devicePixelRatio}px`;
  let at = null;
  const draw = () => {
    paint.fillStyle = paper;
    paint.fillRect(0, 0, canvas.width, canvas.height);
    for (let row = 0; row < names.length; row += 1) {
      for (let column = 0; column < names.length; column += 1) {
        const rho = rhoBetween(row, column);
        if (rho === null) continue;
        paint.fillStyle = rho < 0 ? against : accent;
        paint.globalAlpha = Math.abs(rho) / 100;
        paint.fillRect(column * size, row * size, size, size);
      }
    }
    paint.globalAlpha = 1;
    if (at) {
      paint.strokeStyle = style.getPropertyValue("--ink");
      paint.lineWidth = 2;
      paint.strokeRect(at[1] * size - 1, at[0] * size - 1, size + 2, size + 2);
    }
  };
  const point = (row, column) => {
    at = [row, column].map((each) => Math.max(0, Math.min(names.length - 1, each)));
    const rho = rhoBetween(...at);
    readout.textContent = `${names[at[0]]} and ${names[at[1]]}: ${rho === null ? "no fits in common" : signed(rho / 100)}`;
    draw();
  };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    point(Math.floor(((event.clientY - box.top) / box.height) * names.length), Math.floor(((event.clientX - box.left) / box.width) * names.length));
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [row, column] = at ?? [0, 0];
    point(at ? row + step[0] : row, at ? column + step[1] : column);
  });
  draw();
  const rows = html("ol", { class: "beside", "aria-hidden": "true" }, named ? names.map((name) => html("li", { title: name }, name)) : []);
  for (const row of rows.children) row.style.height = row.style.lineHeight = `${size / devicePixelRatio}px`;
  return [html("div", { class: "matrix" }, canvas, rows), readout];
}

function curvePlot(box, series, title, kind) {
  const axis = data.axes[chosen.axis], lines = data.curves[series];
  const width = roomIn(box), height = Math.max(260, Math.round(0.62 * width));
  const later = data.curves.epoch.map((each) => each.map((epoch) => epoch + 1));
  const x = makeScale(later.flat(), "log", 58, width - 12, 0.01);
  const y = makeScale(lines.flat(), kind, height - 42, 26);
  const drawing = frame({ width, height, x, y, xTitle: "1 + epochs", yTitle: title, label: `${title} along training, ${counted(lines.length, "network")}${axis ? `, by ${axis.axis}` : ""}` });
  const faint = Math.max(0.12, Math.min(0.8, 30 / lines.length));
  lines.forEach((line, place) => {
    let path = "", pen = false;
    line.forEach((value, step) => {
      const there = known(value) && (kind !== "log" || value > 0);
      if (there) path += `${pen ? "L" : "M"}${x(later[place][step]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = there;
    });
    const curve = svg("path", { class: "curve", d: path, "stroke-opacity": faint });
    curve.style.stroke = axis ? shade(axis.codes[place], axis.levels.length) : "var(--accent)";
    drawing.append(curve);
  });
  return [drawing, legend(axis)];
}

const PLOTS = {
  cost: costPlot,
  heat: heatPlot,
  correlation: correlationPlot,
  loss: (box) => curvePlot(box, "train_loss", "training loss", "log"),
  error: (box) => curvePlot(box, "train_error", "training error", "linear"),
};
