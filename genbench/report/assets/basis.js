// The data of the page, what the reader has chosen, and how numbers and elements are made.
const data = JSON.parse(document.getElementById("data").textContent);
// Rows travel by column.
for (const board of Object.values(data.standings)) {
  const columns = Object.entries(board.rows);
  board.rows = board.rows.measure.map((_, place) => Object.fromEntries(columns.map(([name, values]) => [name, values[place]])));
}
const chosen = { target: data.targets[0] ?? null, axis: data.axes.length ? 0 : -1 };
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  // Texts become text nodes: nothing that a run brought in is ever read as HTML.
  node.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== ""));
  return node;
}

const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

const number = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);
const known = (value) => typeof value === "number" && Number.isFinite(value);

function signed(value, digits = 2) {
  value = number(value);
  if (value === null || value === undefined) return "–";
  const text = Number.isFinite(value) ? Math.abs(value).toFixed(digits) : "∞";
  return Number(text) === 0 ? text : (value > 0 ? "+" : "−") + text;
}

function short(value) {
  value = number(value);
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace("e+", "e").replace(/-/g, "−");
}

const seconds = (value) =>
  !known(value) ? "–" : value < 1 ? `${Number((1000 * value).toPrecision(3))} ms` : `${Number(value.toPrecision(3))} s`;
const plainly = (name) => name.replaceAll("_", " ");
const standing = () => data.standings[chosen.target];
const hasCard = (name) => Object.hasOwn(data.measures, name);
