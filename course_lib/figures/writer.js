const text = find(".text"), list = find(".lm-tokens"), svg = find("svg"), lens = find(".lens");
const {last: LAST, grid: GRID, shades: SHADES} = data;
const now = {ids: [], seen: [], layer: data.layers - 1, head: 0, temperature: 0.8, k: Infinity, p: 0.95, runs: false, forgot: false, from: null};
let model;

// The script is loaded once, by the figure that is seen first, unless it is in the page.
const load = () => (globalThis.courseWriter ??= new Promise((done, fail) => {
  if (globalThis.courseModels?.writer) return done();
  const script = make("script", document.head);
  script.onload = done;
  script.onerror = fail;
  script.src = data.src;
}));
const shown = (id) => model.decode([id]).replaceAll(" ", "␣").replaceAll("\n", "⏎");
const softmax = (logits, temperature = 1) => {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const powers = Float64Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const whole = powers.reduce((sum, power) => sum + power);
  return powers.map((power) => power / whole);
};
const best = (shares, n) => [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, n);

// Read ids; at the end of its context the model forgets the first half.
const read = (ids) => {
  for (const id of ids) {
    if (model.length === model.config.context) {
      const kept = now.ids.slice(-model.config.context / 2);
      model.reset();
      now.seen = kept.map((each) => model.step(each));
      now.forgot = true;
    }
    now.ids.push(id);
    now.seen.push(model.step(id));
  }
};
const reread = () => {
  const ids = now.ids.slice(-model.length);
  now.ids = now.ids.slice(0, -model.length);
  now.seen = [];
  model.reset();
  read(ids);
};
const begin = (prompt) => {
  const ids = model.encode(prompt);
  now.ids = ids.slice(0, Math.max(0, ids.length - model.config.context));
  now.forgot = now.ids.length > 0;
  now.seen = [];
  model.reset();
  read(ids.length ? ids.slice(now.ids.length) : model.encode("\n"));
  draw();
};

// As Sampler does it: temperature, then the k likeliest, of these the likeliest that together have the share p.
const drawn = (logits) => {
  if (now.temperature === 0) return best(softmax(logits), 1)[0];
  const shares = softmax(logits, now.temperature);
  const order = best(shares, Math.min(now.k, shares.length));
  const whole = order.reduce((sum, id) => sum + shares[id], 0);
  let mass = 0;
  const kept = order.filter((id, i) => { const in_ = i === 0 || mass < now.p * whole; mass += shares[id]; return in_; });
  let left = Math.random() * kept.reduce((sum, id) => sum + shares[id], 0);
  return kept.find((id) => (left -= shares[id]) <= 0) ?? kept[0];
};
const append = (id = drawn(now.seen.at(-1).logits)) => { read([id]); draw(); };

// Who looks at what: the last token's weights, in one head or on average.
const looks = () => {
  const heads = now.seen.at(-1).attention[now.layer];
  if (now.head > 0) return heads[now.head - 1];
  return heads[0].map((_, j) => heads.reduce((sum, head) => sum + head[j], 0) / heads.length);
};

const draw = () => {
  const {logits, stream} = now.seen.at(-1);
  write(text, model.decode(now.ids));
  text.scrollTop = text.scrollHeight;
  const row = now.ids.slice(-Math.min(LAST, model.length));
  tokens(row.map((id, i) => [shown(id), i === row.length - 1]));
  [...list.children].forEach((item, i) => { item.title = say(words.id, {id: row[i]}); });
  // The next token: bars, each a button.
  const shares = softmax(logits), order = best(shares, data.shown);
  const rest = 1 - order.reduce((sum, id) => sum + shares[id], 0);
  rows(find(".next tbody"), [
    ...order.map((id) => [shown(id), percent(shares[id]), [shares[id]]]),
    [words.others, percent(rest), [rest]],
  ]);
  order.forEach((id, i) => {
    const place = find(".next tbody").rows[i].cells[0];
    place.replaceChildren();
    const pick = button(shown(id), () => append(id), place);
    pick.setAttribute("aria-label", say(words.choose, {token: shown(id)}));
  });
  // What each layer would say.
  rows(lens.tBodies[0], stream.map((state, i) => {
    const said = softmax(model.logits(state)), [id] = best(said, 1);
    return [say(words.states[Math.min(i, 1)], {n: i}), shown(id), percent(said[id]), decimals(Math.hypot(...state), 1)];
  }));
  const open = Math.exp(-shares.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0));
  const silent = [...model.off].map((name) => name.split(" ").map((n) => Number(n) + 1).join("."));
  tell(
    {token: shown(order[0]), share: percent(shares[order[0]]), open: plain(Math.round(open))},
    (silent.length ? say(words.silent, {heads: silent.join(", ")}) : "")
      + (now.forgot ? say(words.forgets, {context: model.config.context}) : ""),
  );
  if (views.open) look();
  mute.disabled = now.head === 0;
  mute.textContent = model.off.has(`${now.layer} ${now.head - 1}`) ? words.unmute : words.mute;
  arcs();
};

// One arc from the last token to each earlier one; nearest outside, so that none hides another.
const arcs = () => {
  const items = [...list.children], weights = looks().slice(-items.length), last = items.at(-1);
  const tall = 84, wide = list.scrollWidth;
  svg.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
  svg.style.width = `${wide}px`;
  svg.replaceChildren();
  const middle = (item) => item.offsetLeft + item.offsetWidth / 2;
  const far = Math.max(240, middle(last) - middle(items[0]));
  let foot = middle(last) + last.offsetWidth / 2 - 4;
  items.slice(0, -1).forEach((item, j) => {
    const thick = 1 + 11 * weights[j];
    if (weights[j] < 0.01) return;
    const to = middle(item), from = foot - thick / 2;
    foot -= thick + 0.5;
    const reach = (from - to) / 2, high = (tall - 10) * Math.min(1, (2 * reach) / far) ** 0.6;
    const path = make("path", svg);
    path.setAttribute("d", `M${from} ${tall}A${reach} ${high} 0 0 0 ${to} ${tall}`);
    path.style.strokeWidth = `${thick}px`;
  });
  items.forEach((item, j) => item.style.setProperty("--weight", decimals(weights[j], 3)));
  list.parentElement.scrollLeft = wide;
};

// A grid of attention: a row for each token, strong where it takes much. One path for each shade.
const grid = (matrix, extra = "", wide = matrix.length) => {
  const paths = Array(SHADES + 1).fill("");
  matrix.forEach((row, i) => row.forEach((weight, j) => { paths[Math.round(SHADES * weight ** 0.7)] += `M${j} ${i}h1v1h-1z`; }));
  const drawn = paths.map((path, n) => (n && path ? `<path d="${path}" fill-opacity="${n / SHADES}"/>` : ""));
  return `<svg aria-hidden="true" viewBox="0 0 ${wide} ${matrix.length}">${drawn.join("")}${extra}</svg>`;
};
// The last n tokens' weights on one another.
const matrix = (layer, head, n) => now.seen.slice(-n).map((seen, i, {length}) => {
  const heads = seen.attention[layer], weights = head === null ? heads[0].map((_, j) => heads.reduce((sum, each) => sum + each[j], 0) / heads.length) : heads[head];
  return weights.slice(now.seen.length - length, now.seen.length - length + i + 1);
});
const most = (weights) => weights.reduce((best, weight, j) => (weight > weights[best] ? j : best), 0);
const four = (x) => `${[...x.subarray(0, 4)].map((v) => decimals(v, 2)).join("  ")}${x.length > 4 ? " …" : ""}`;

// All heads, the chosen one, and the numbers of one look in it.
const look = () => {
  const last = now.seen.at(-1), ids = now.ids.slice(-now.seen.length), names = ids.map(shown);
  [...squares.children].forEach((square, n) => {
    const layer = Math.floor(n / data.heads), head = n % data.heads, weights = last.attention[layer][head], j = most(weights);
    square.innerHTML = grid(matrix(layer, head, LAST));
    square.setAttribute("aria-pressed", layer === now.layer && head === now.head - 1);
    square.setAttribute("aria-label", say(words.square, {layer: layer + 1, n: head + 1, token: names[j], share: percent(weights[j])}));
  });
  const shownHead = now.head ? now.head - 1 : null, large = matrix(now.layer, shownHead, GRID), row = names.slice(-large.length);
  const whole = find(".grid");
  whole.innerHTML = grid(large, row.map((_, i) => `<text x="${i + 1.3}" y="${i + 0.75}"></text>`).join(""), large.length + 6);
  whole.style.maxWidth = `${1.5 * (large.length + 6)}rem`;
  whole.querySelectorAll("text").forEach((label, i) => { label.textContent = row[i]; });
  const first = names.length - row.length;
  whole.setAttribute("aria-label", large.map((weights, i) => say(words.row, {token: row[i], to: row[most(weights)], share: percent(Math.max(...weights))})).join(" "));
  // The earlier tokens to choose from: at first the one of which most is taken; a choice stays while it is shown.
  if (now.from < first || now.from >= names.length) now.from = null;
  from.replaceChildren();
  names.forEach((name, j) => { if (j >= first) make("option", from, `${j + 1}: ${name}`).value = j; });
  const head = Math.max(0, now.head - 1), i = names.length - 1;
  const j = now.from ?? first + most(last.attention[now.layer][head].slice(first));
  from.value = j;
  const {query, key, value, score} = model.look(now.layer, head, i, j);
  write(sums.caption, say(words.look, {layer: now.layer + 1, n: head + 1, size: query.length}));
  rows(sums.tBodies[0], [
    [say(words.query, {token: names[i]}), four(query)],
    [say(words.key, {token: names[j]}), four(key)],
    [say(words.score, {size: query.length}), decimals(score, 3)],
    [say(words.weight, {n: names.length}), percent(last.attention[now.layer][head][j])],
    [say(words.value, {token: names[j]}), four(value)],
  ]);
};

// Writing on: at most some tokens a second, so that they can be read.
let timer;
const run = (on) => {
  now.runs = on;
  runs.textContent = on ? words.pause : words.run;
  clearInterval(timer);
  if (on) timer = setInterval(() => append(), 120);
};

const prompt = field(words.prompt, "input", data.prompt, (value) => { run(false); begin(value); });
const buttons = make("div", controls);
button(words.step, () => { run(false); append(); }, buttons);
const runs = button(words.run, () => run(!now.runs), buttons);
button(words.again, () => { run(false); begin(prompt.value); }, buttons);
// What one needs later stands below, folded.
const more = make("div", find(".more"), "", "lm-controls");
const later = (made) => { more.append(controls.lastElementChild); return made; };
const values = {
  temperature: [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.5, 2], k: [1, 2, 5, 10, 20, 50, 100, Infinity], p: [0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 1],
};
for (const [name, show] of [["temperature", (v) => decimals(v, 1)], ["k", (v) => (v === Infinity ? words.any : `${v}`)], ["p", (v) => decimals(v, 2)]]) {
  const at = values[name].indexOf(now[name]);
  later(steps(words[name], values[name], at, show, (i) => { now[name] = values[name][i]; }));
}
const numbers = (n) => Array.from({length: n}, (_, i) => `${i + 1}`);
const layers = choice(words.layer, numbers(data.layers), now.layer, (i) => { now.layer = i; draw(); }, more);
const heads = choice(words.head, [words.all, ...numbers(data.heads)], 0, (i) => { now.head = i; draw(); }, more);
const mute = button(words.mute, () => {
  const name = `${now.layer} ${now.head - 1}`;
  if (!model.off.delete(name)) model.off.add(name);
  reread();
  draw();
}, more);

// The views, drawn while they are open.
const views = find(".views"), squares = find(".heads"), sums = find(".look");
let from;
const arm = () => {
  squares.replaceChildren(); // what Python drew stays until then
  for (let n = 0; n < data.layers * data.heads; n++) {
    button("", () => {
      [now.layer, now.head] = [Math.floor(n / data.heads), (n % data.heads) + 1];
      layers.querySelectorAll("input")[now.layer].checked = true;
      heads.querySelectorAll("input")[now.head].checked = true;
      draw();
    }, squares);
  }
  from = field(words.from, "select", "", (j) => { now.from = Number(j); look(); });
  find(".from").append(from.parentElement);
};
views.addEventListener("toggle", () => { if (views.open && model) look(); });

// A reader's first sign on the page.
const SIGNS = ["pointermove", "pointerdown", "wheel", "keydown", "focusin"];
const sign = new Promise((done) => { for (const name of SIGNS) addEventListener(name, done, {once: true, capture: true, passive: true}); });

// Only where it is seen is it loaded, and where somebody reads: who only passes by is spared its size.
new IntersectionObserver(async (entries, observer) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  if (!globalThis.courseModels?.writer) await sign;
  load().then(() => {
    model = new Transformer(courseModels.writer);
    arm();
    start(() => begin(data.prompt));
    new ResizeObserver(arcs).observe(list);
  }, () => write(find(".lm-says"), say(words.fails, {src: data.src})));
}).observe(figure);
