// Axes, ticks and frames of the plots.
function niceTicks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

function decades(low, high) {
  const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
  if (to - from < 1) return niceTicks(low, high, 4).filter((each) => each > 0);
  const every = Math.ceil((to - from + 1) / 7);
  return Array.from({ length: to - from + 1 }, (_, place) => from + place).filter((each) => (each - from) % every === 0).map((each) => 10 ** each);
}

// A scale from values to pixels; `kind` is "linear" or "log". What is not finite is left out.
function makeScale(values, kind, from, to, pad = 0.04) {
  let finite = values.filter((each) => known(each) && (kind !== "log" || each > 0));
  if (!finite.length) finite = kind === "log" ? [1, 10] : [0, 1];
  let low = finite.reduce((a, b) => Math.min(a, b)), high = finite.reduce((a, b) => Math.max(a, b));
  const warp = kind === "log" ? Math.log10 : (each) => each;
  const back = kind === "log" ? (each) => 10 ** each : (each) => each;
  if (low === high) [low, high] = kind === "log" ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const room = (warp(high) - warp(low)) * pad;
  const a = warp(low) - room, b = warp(high) + room;
  const at = (value) => from + ((warp(value) - a) / (b - a)) * (to - from);
  return Object.assign(at, { ticks: kind === "log" ? decades(back(a), back(b)) : niceTicks(a, b) });
}

function frame({ width, height, left = 58, right = 12, top = 26, bottom = 42, x, y, xTitle, yTitle, label, role = "img" }) {
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role, "aria-label": label });
  for (const tick of x.ticks) {
    drawing.append(
      svg("path", { class: "grid", d: `M${x(tick)} ${top}V${height - bottom}` }),
      svg("text", { x: x(tick), y: height - bottom + 16, "text-anchor": "middle" }, short(tick)),
    );
  }
  for (const tick of y.ticks) {
    drawing.append(
      svg("path", { class: "grid", d: `M${left} ${y(tick)}H${width - right}` }),
      svg("text", { x: left - 7, y: y(tick) + 4, "text-anchor": "end" }, short(tick)),
    );
  }
  drawing.append(
    svg("path", { class: "frame", d: `M${left} ${top}V${height - bottom}H${width - right}` }),
    svg("text", { class: "title", x: width - right, y: height - 6, "text-anchor": "end" }, xTitle),
    svg("text", { class: "title", x: 0, y: 12 }, yTitle),
  );
  return drawing;
}

// How wide a plot in a box is to be drawn: in the box's own pixels, so that its texts keep their size.
const roomIn = (box, most = 1104) => Math.max(300, Math.min(most, box.clientWidth || 640));

const NUMBERS = "value", LOGARITHM = "logarithm", RANKS = "rank";

// Logarithmic where all values are positive and span more than a factor of fifty.
function usualScale(values) {
  const finite = values.filter(known);
  if (!finite.length || finite.some((each) => each <= 0)) return NUMBERS;
  return Math.max(...finite) / Math.min(...finite) > 50 ? LOGARITHM : NUMBERS;
}

function ranksOf(values) {
  const order = values.map((value, place) => [number(value), place]).filter(([value]) => typeof value === "number").sort((a, b) => a[0] - b[0]);
  const found = values.map(() => null);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end + 1 < order.length && order[end + 1][0] === order[start][0]) end += 1;
    for (let at = start; at <= end; at += 1) found[order[at][1]] = (start + end) / 2 + 1;
    start = end + 1;
  }
  return found;
}

// One dot for each fit: a measure against the target, a shade and a shape for each level of the chosen axis.
function scatter(name, how, width) {
  const axis = data.axes[chosen.axis];
  const target = data.fits[chosen.target];
  const raw = data.measures[name].values;
  const values = how === RANKS ? ranksOf(raw) : raw;
  const height = Math.round(Math.max(300, 0.58 * width));
  const x = makeScale(values, how === LOGARITHM ? "log" : "linear", 58, width - 12);
  const y = makeScale(target, "linear", height - 42, 26);
  const drawn = values.map((value, place) => place).filter((place) => known(values[place]) && known(target[place]) && (how !== LOGARITHM || values[place] > 0));
  const label = `Scatter plot of ${plainly(chosen.target)} against ${name}, ${counted(drawn.length, "network")}${axis ? `, by ${axis.axis}` : ""}`;
  const drawing = frame({ width, height, x, y, xTitle: how === NUMBERS ? name : `${name}, ${how}`, yTitle: plainly(chosen.target), label });
  for (const place of drawn) {
    drawing.append(mark(x(values[place]), y(target[place]), axis ? axis.codes[place] : 0, axis ? axis.levels.length : 1, 4.2,
      `${name} ${short(raw[place])}\n${plainly(chosen.target)} ${short(target[place])}\n${fitTitle(place)}`));
  }
  const absent = values.length - drawn.length;
  const notes = [
    absent ? `${counted(absent, "network")} not drawn: no value here${how === LOGARITHM ? ", or none above 0" : ""}.` : "",
    data.left_out ? `Drawn are ${values.length} of ${counted(values.length + data.left_out, "network")}, evenly spaced over the grid.` : "",
  ].filter(Boolean);
  return html("figure", {}, html("div", { class: "plot" }, drawing), legend(axis), notes.length ? html("figcaption", {}, notes.join(" ")) : "");
}
