// Marks and colours: a level of an axis has a shade between grey and the accent, and a shape of its own.
const SHAPES = [
  (x, y, r) => svg("circle", { cx: x, cy: y, r }),
  (x, y, r) => svg("path", { d: `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z` }),
  (x, y, r) => svg("path", { d: `M${x} ${y - 1.2 * r}L${x + 1.1 * r} ${y + 0.9 * r}H${x - 1.1 * r}z` }),
  (x, y, r) => svg("path", { d: `M${x} ${y - 1.35 * r}L${x + 1.35 * r} ${y}L${x} ${y + 1.35 * r}L${x - 1.35 * r} ${y}z` }),
  (x, y, r) => svg("path", { d: `M${x} ${y + 1.2 * r}L${x + 1.1 * r} ${y - 0.9 * r}H${x - 1.1 * r}z` }),
];

function shade(level, levels) {
  const part = levels < 2 ? 100 : Math.round((100 * level) / (levels - 1));
  return `color-mix(in oklab, var(--accent) ${part}%, var(--far))`;
}

function mark(x, y, level, levels, size, title) {
  const found = fill(SHAPES[level % SHAPES.length](x, y, size), { class: "mark" }, []);
  found.style.stroke = shade(level, levels);
  found.style.fill = shade(level, levels);
  if (title) found.append(svg("title", {}, title));
  return found;
}

function legend(axis) {
  if (!axis) return "";
  return html(
    "ul",
    { class: "legend", "aria-label": `levels of ${axis.axis}` },
    axis.levels.map((level, place) =>
      html("li", {}, svg("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(7, 7, place, axis.levels.length, 4)), level),
    ),
  );
}

// A select that shows and changes the axis that colours; every copy of it stays in step.
function axisChoice(select, redraw) {
  if (!select.options.length) {
    select.append(html("option", { value: "-1" }, "nothing"), ...data.axes.map((axis, place) => html("option", { value: place }, axis.axis)));
  }
  select.value = String(chosen.axis);
  select.addEventListener("change", () => {
    chosen.axis = Number(select.value);
    redraw();
  });
}

const fitTitle = (place) =>
  [...data.axes.map((axis) => `${axis.axis} ${axis.levels[axis.codes[place]]}`), `seed ${data.fits.seed[place]}`, data.fits.key[place]].join("\n");
