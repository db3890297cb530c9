// Where it begins: plots are drawn when they come near the window, or when the page is printed.
const drawn = new Set();

function draw(box) {
  drawn.add(box);
  box.replaceChildren(...PLOTS[box.dataset.plot](box).filter(Boolean));
}

function redrawAll() {
  for (const box of drawn) draw(box);
  for (const select of all("select[data-choice=axis]")) select.value = String(chosen.axis);
}

const THEMES = ["", "light", "dark"];

function startTheme() {
  const button = one("#theme");
  const remember = (value) => { try { localStorage.setItem("genbench-theme", value); } catch { /* a file may have no storage */ } };
  const remembered = () => { try { return localStorage.getItem("genbench-theme") ?? ""; } catch { return ""; } };
  const apply = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = `Colours: ${theme || "auto"}`;
    button.value = theme;
    redrawAll();
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(button.value) + 1) % THEMES.length];
    remember(next);
    apply(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  button.hidden = false;
  apply(THEMES.includes(remembered()) ? remembered() : "");
}

if (chosen.target) startRanking();
for (const radio of all("input[name=target]")) radio.addEventListener("change", () => chooseTarget(radio.value));
for (const choice of all(".controls [data-choice=axis]")) {
  choice.closest(".controls").hidden = data.axes.length === 0;
  axisChoice(choice, redrawAll);
}
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting || drawn.has(entry.target)) continue;
    near.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });
for (const box of all("[data-plot]")) near.observe(box);
addEventListener("beforeprint", () => all("[data-plot]").filter((box) => !drawn.has(box)).forEach(draw));
let lastWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== lastWidth) redrawAll();
  lastWidth = innerWidth;
});
startTheme();
startMeasure();
