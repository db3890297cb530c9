// Names and texts: names may break at underscores, texts are set in paragraphs, back-ticks mark code.
const breakable = (name) => name.split("_").flatMap((part, place) => (place ? ["_", html("wbr"), part] : [part]));
const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;
const inCode = (text) => text.split(/`+([^`]+)`+/).map((part, place) => (place % 2 ? html("code", {}, part) : part));

// Lines are broken by the reader's window, except in lists and in what is indented.
function paragraphs(text) {
  return text.split(/\n\s*\n/).filter(Boolean).map((each) => {
    const kept = /^(\s{2,}|[-*] )/m.test(each);
    return html("p", { class: kept ? "text kept" : "text" }, inCode(kept ? each : each.replace(/\s*\n\s*/g, " ")));
  });
}
