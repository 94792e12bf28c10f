// The kit: what a figure's script finds beside its `figure`, its `data` and its sentences, `words`.
// Each function writes as the one of its name in page.py does.

const find = (selector) => figure.querySelector(selector);
const controls = find(".lm-controls");

// A text into an element; Chinese is marked for screen readers and fonts.
const write = (element, text) => {
  element.replaceChildren(...String(text).split(/(\p{Script=Han}+)/u).map((part, i) => {
    if (i % 2 === 0) return part;
    const marked = document.createElement("span");
    marked.lang = "zh";
    marked.textContent = part;
    return marked;
  }));
  return element;
};
const make = (tag, parent, text = "", name = "") => {
  const element = document.createElementNS(parent.namespaceURI, tag);
  if (name) element.setAttribute("class", name);
  parent.append(text === "" ? element : write(element, text));
  return element;
};
const say = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// Numbers.
const decimals = (x, n) => {
  const text = (Math.abs(x) + 1e-9).toFixed(n);
  return x < 0 && Number(text) > 0 ? `−${text}` : text;
};
const percent = (share) => `${decimals(100 * share, 1)} %`;
const plain = (x) => x.toLocaleString("en-US");
const digits = (x) => x.toLocaleString("en-US", {maximumSignificantDigits: 3});
const inUnits = (x, units, show) => {
  const [size, one, many] = units.find(([size]) => x >= size) ?? units.at(-1);
  const n = show(x / size);
  return say(n === "1" ? one : many ?? one, {n});
};
const number = (x) => inUnits(x, words.numbers, digits);
const place = ({low, high, start, end, log}, value) => {
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return (start + (end - start) * share + 1e-9).toFixed(1);
};

// Controls. Each calls `changed` with what it was moved to; none has an id, so that figures can be equal.
const group = Math.random().toString(36).slice(2);
const choice = (legend, names, at, changed, parent = controls) => {
  const field = make("fieldset", parent, "", "lm-choice");
  make("legend", field, legend);
  const track = make("div", field, "", "lm-track");
  names.forEach((name, i) => {
    const label = make("label", track);
    const input = make("input", label);
    input.type = "radio";
    input.name = `${group}-${legend}`;
    input.checked = i === at;
    input.addEventListener("change", () => changed(i));
    make("span", label, name, "lm-pick");
  });
  return field;
};
const slider = (label, {at, max, min = 0, step = 1, show, marks = []}, changed) => {
  const box = make("div", controls, "", "lm-slider");
  const name = make("label", box);
  make("span", name, label);
  const input = make("input", name);
  Object.assign(input, {type: "range", min, max, step});
  const output = make("output", box);
  const rail = marks.length ? make("div", box, "", "lm-marks") : null;
  const share = (x) => `${(100 * (x - min)) / (max - min)}%`;
  const put = (x, text, spoken) => {
    input.value = x;
    text ??= show(Number(input.value));
    output.textContent = text;
    input.setAttribute("aria-valuetext", spoken ?? text);
    input.style.setProperty("--at", share(input.value));
    marks.forEach(([mark], i) => rail.children[i].setAttribute("aria-pressed", Math.abs(mark - input.value) < 0.6 * step));
  };
  marks.forEach(([mark, text, side]) => {
    const button = make("button", rail, text, side);
    button.type = "button";
    button.style.left = share(mark);
    button.addEventListener("click", () => { put(mark); changed(Number(input.value)); });
  });
  // Room for the widest value, so that the rail keeps its length.
  const tries = Array.from({length: 65}, (_, i) => show(min + step * Math.round((i * (max - min)) / (64 * step))));
  output.style.minWidth = `${Math.max(...tries.map((text) => text.length))}ch`;
  input.addEventListener("input", () => { put(input.value); changed(Number(input.value)); });
  put(at);
  return put;
};
// A slider whose places are values of a list.
const steps = (label, values, at, show, changed) =>
  slider(label, {at, max: values.length - 1, show: (i) => show(values[i])}, changed);
const field = (label, tag, value, changed) => {
  const box = make("label", controls, "", "lm-field");
  make("span", box, label);
  const input = make(tag, box);
  if (tag === "input") input.type = "text";
  input.value = value;
  input.spellcheck = false;
  input.addEventListener("input", () => changed(input.value));
  return input;
};
const button = (text, pressed, parent = controls) => {
  const element = make("button", parent, text, "lm-button");
  element.type = "button";
  element.addEventListener("click", pressed);
  return element;
};

// Rows of a table: a name, then texts; a list is bars, as shares of the cell. Rows stay, so that bars move.
const rows = (body, list, classes = []) => {
  while (body.rows.length > list.length) body.lastElementChild.remove();
  list.forEach((cells, i) => {
    const row = body.rows[i] ?? make("tr", body);
    row.className = classes[i] ?? "";
    cells.forEach((cell, j) => {
      const bars = Array.isArray(cell);
      const at = row.cells[j] ?? make(j ? "td" : "th", row, "", bars ? "bar" : "");
      if (j === 0) at.scope = "row";
      if (!bars) return write(at, cell);
      cell.forEach((share, k) => {
        const bar = at.children[k] ?? make("div", at, "", "lm-bar");
        (bar.firstElementChild ?? make("span", bar)).style.width = `${decimals(100 * share, 3)}%`;
      });
    });
  });
};

// The tokens of a list, each with whether it is marked; and the sentence that says what is seen.
const tokens = (list) => {
  find(".lm-tokens").replaceChildren();
  for (const [token, marked] of list) make("li", find(".lm-tokens"), token, marked ? "on" : "");
};
const tell = (values, more = "") => write(find(".lm-says"), say(words.says, values) + more);

// What is hidden where no script runs is shown; then the figure is drawn.
const start = (draw) => {
  figure.querySelectorAll("[hidden]").forEach((element) => { element.hidden = false; });
  draw();
};
