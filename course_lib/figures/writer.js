const text = find(".text"), list = find(".lm-tokens"), svg = find("svg"), lens = find(".lens");
const {last: LAST, grid: GRID, shades: SHADES} = data;
const says = find(".lm-says");
const now = {
  ids: [], seen: [], weights: data.weights, layer: data.layers - 1, head: 0, runs: false, from: null,
  draws: {temperature: data.temperature, k: Infinity, p: data.p}, // how a token is drawn
  prompt: data.prompt, anew: true, told: 0,
  made: [], written: 0, // what is asked for behind the prompt, and how much of it is there
};
let model;

// The script is loaded once, by the figure that is seen first, unless it is in the page.
const load = () => (globalThis.courseWriter ??= new Promise((done, fail) => {
  if (globalThis.courseModels?.writer) return done();
  const script = make("script", document.head);
  script.onload = done;
  script.onerror = fail;
  script.src = data.src;
}));
// A token as it is shown; one that is a part of a sign only, or unseen, by its bytes.
const inBytes = (id) => model.bytes && /[\p{Cc}\p{Cf}\uFFFD]/u.test(model.decode([id]).replaceAll("\n", ""));
const hex = (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`;
const shown = (id) =>
  (inBytes(id) ? model.tokens[id].replace(/[^ -~]/g, hex) : model.decode([id])).replaceAll(" ", "␣").replaceAll("\n", "⏎");
const softmax = (logits, temperature = 1) => {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const powers = Float64Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const whole = powers.reduce((sum, power) => sum + power);
  return powers.map((power) => power / whole);
};
const best = (shares, n) => [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, n);

// What is asked for stands in `now`; the model comes after it, in slices, so that the page can answer.
const SLICE = 12; // milliseconds
let busy = true; // until the model is there
const waits = () => { if (!model) write(says, words.loads); };
const work = async () => {
  waits();
  if (busy) return;
  busy = true;
  figure.setAttribute("aria-busy", true);
  for (let since = performance.now(), todo = []; ;) {
    const {context} = model.config;
    // A new beginning: of a prompt that is too long, the last tokens are read.
    if (now.anew) {
      const ids = model.encode(now.prompt);
      todo = ids.length ? ids : model.encode("\n");
      if (!todo.length) todo = [0];
      Object.assign(now, {anew: false, written: 0, seen: [], ids: todo.slice(0, -context), forgot: todo.length > context});
      write(text, model.decode(todo));
      todo = todo.slice(-context);
      model.reset();
    }
    if (!todo.length) {
      if (now.written === now.made.length) break;
      todo.push(drawn(now.seen.at(-1).logits, now.made[now.written++]));
    }
    // At the end of its context it goes on from the newest half, as generation.Session does.
    if (model.length === context) {
      const half = Math.max(1, Math.floor(context / 2)), kept = now.ids.splice(now.ids.length - half + 1);
      todo.unshift(...kept);
      Object.assign(now, {seen: [], forgot: true});
      model.reset();
    }
    now.ids.push(todo[0]);
    now.seen.push(model.step(todo.shift()));
    if (performance.now() - since > SLICE) {
      await new Promise((go) => { setTimeout(go); });
      since = performance.now();
    }
  }
  busy = false;
  figure.setAttribute("aria-busy", false);
  draw();
};
const begin = (prompt) => {
  Object.assign(now, {prompt, made: [], told: 0, anew: true});
  return work();
};
// The same text anew, with the same luck: what changes is the heads' doing.
const rewrite = () => {
  now.anew = true;
  return work();
};
const back = () => {
  if (!now.made.length) return;
  now.made.pop();
  now.told = Math.min(now.told, now.made.length);
  if (busy || now.forgot) return rewrite();
  now.written -= 1;
  now.ids.pop();
  now.seen.pop();
  model.back();
  draw();
};

// As Sampler does it: temperature, then the k likeliest, of these the likeliest that together have the share p.
const chances = (logits, {temperature, k, p}) => {
  if (temperature === 0) [temperature, k] = [1, 1]; // the likeliest
  const shares = softmax(logits, temperature), sum = (ids) => ids.reduce((all, id) => all + shares[id], 0);
  const order = best(shares, Math.min(k, shares.length)), whole = sum(order);
  let mass = 0;
  const kept = order.filter((id, i) => { const in_ = i === 0 || mass < p * whole; mass += shares[id]; return in_; });
  const rest = sum(kept);
  return new Map(kept.map((id) => [id, shares[id] / rest]));
};
const drawn = (logits, {picked, luck, ...draws}) => {
  if (picked !== undefined) return picked;
  const kept = chances(logits, draws);
  for (const [id, chance] of kept) if ((luck -= chance) <= 0) return id;
  return kept.keys().next().value;
};
const append = (picked) => {
  now.made.push({picked, luck: Math.random(), ...now.draws});
  return work();
};

// Who looks at what: the last token's weights, in one head or on average.
const most = (weights) => weights.reduce((best, weight, j) => (weight > weights[best] ? j : best), 0);
const chosen = ({attention}) => {
  const heads = attention[now.layer];
  if (now.head > 0) return heads[now.head - 1];
  return heads[0].map((_, j) => heads.reduce((sum, head) => sum + head[j], 0) / heads.length);
};

// The next token: its probability, and how likely it is drawn. Each is a button that stays, so that it keeps the focus.
const drawBars = (logits) => {
  const shares = softmax(logits), kept = chances(logits, now.draws), order = best(shares, bars.length - 1);
  const whole = order.map((id) => [shares[id], kept.get(id) ?? 0]);
  whole.push([0, 1].map((i) => 1 - whole.reduce((sum, each) => sum + each[i], 0)));
  bars.forEach((bar, i) => {
    const pick = bar.querySelector("button"), name = pick ? shown(order[i]) : "";
    whole[i].forEach((share, j) => {
      write(bar.cells[1 + j], percent(share));
      bar.querySelectorAll(".lm-bar span")[j].style.width = `${decimals(100 * share, 3)}%`;
    });
    if (!pick) return;
    pick.dataset.id = order[i];
    write(pick, name);
    pick.setAttribute("aria-label", say(words.choose, {token: name}));
  });
  return shares;
};

const draw = () => {
  const {logits, stream} = now.seen.at(-1), last = chosen(now.seen.at(-1));
  now.weights = last;
  write(text, model.decode(now.ids));
  text.scrollTop = text.scrollHeight;
  const row = now.ids.slice(-Math.min(LAST, model.length)), weights = last.slice(-row.length);
  tokens(row.map((id, i) => [shown(id), i === row.length - 1]));
  [...list.children].forEach((item, i) => {
    item.title = say(words.id, {id: row[i], share: percent(weights[i])});
    item.dataset.id = row[i];
    item.style.setProperty("--weight", decimals(weights[i], 3));
  });
  const j = most(last), arcs = {layer: now.layer + 1, token: shown(now.ids.slice(-last.length)[j]), share: percent(last[j])};
  svg.setAttribute("aria-label", say(words.arcs[now.head ? 1 : 0], {...arcs, n: now.head}));
  const shares = drawBars(logits), likeliest = most(shares);
  // What each layer would say.
  rows(lens.tBodies[0], stream.map((state, i) => {
    const said = softmax(model.logits(state)), id = most(said);
    return [say(words.states[Math.min(i, 1)], {n: i}), shown(id), percent(said[id]), decimals(Math.hypot(...state), 1)];
  }));
  // What is read out: not each token of a run, nor each letter of a prompt.
  const quiet = now.runs || now.types;
  says.setAttribute("aria-live", quiet ? "off" : "polite");
  const open = Math.exp(-shares.reduce((sum, share) => sum + (share > 0 ? share * Math.log(share) : 0), 0));
  const silent = [...model.off].map((name) => name.split(" ").map((n) => Number(n) + 1).join("."));
  const unknown = model.bytes ? [] : [...new Set(now.prompt)].filter((sign) => !model.ids.has(sign));
  const part = now.ids.find(inBytes);
  tell(
    {token: shown(likeliest), share: percent(shares[likeliest])},
    (Math.round(open) > 1 ? say(words.open, {open: plain(Math.round(open))}) : words.sure)
      + (unknown.length ? say(words.unknown, {signs: unknown.map((sign) => sign.replaceAll(" ", "␣")).join(" ")}) : "")
      + (part === undefined ? "" : say(words.bytes, {byte: shown(part)}))
      + (silent.length ? say(words.silent, {heads: silent.join(", ")}) : "")
      + (now.forgot ? say(words.forgets, {context: model.config.context}) : ""),
  );
  if (now.made.length > now.told) {
    const ids = now.ids.slice(now.told - now.made.length);
    says.prepend(make("span", says, say(words.wrote, {text: model.decode(ids)}), "lm-sr"));
  }
  if (!quiet) now.told = now.made.length;
  if (views.open) look();
  mute.disabled = now.head === 0;
  mute.textContent = model.off.has(`${now.layer} ${now.head - 1}`) ? words.unmute : words.mute;
  drawArcs();
};

// One arc from the last token to each earlier one; nearest outside, so that none hides another.
const drawArcs = () => {
  if (busy && model) return;
  const items = [...list.children], weights = now.weights.slice(-items.length), last = items.at(-1);
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
    const reach = Math.max(0, from - to) / 2, high = (tall - 10) * Math.min(1, (2 * reach) / far) ** 0.6;
    const path = make("path", svg);
    path.setAttribute("d", `M${from} ${tall}A${reach} ${high} 0 0 0 ${to} ${tall}`);
    path.style.strokeWidth = `${thick}px`;
  });
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
const matrix = (n, weights) => now.seen.slice(-n).map((seen, i, {length}) => {
  const from = now.seen.length - length;
  return weights(seen).slice(from, from + i + 1);
});
const numbersOf = (x) => [...x].map((v) => decimals(v, 2)).join("  ");

// All heads, the chosen one, and the numbers of one look in it.
const look = () => {
  const last = now.seen.at(-1), ids = now.ids.slice(-now.seen.length), names = ids.map(shown);
  [...squares.children].forEach((square, n) => {
    const layer = Math.floor(n / data.heads), head = n % data.heads, weights = last.attention[layer][head], j = most(weights);
    square.innerHTML = grid(matrix(LAST, ({attention}) => attention[layer][head]));
    square.dataset.head = `${layer + 1}.${head + 1}`;
    square.setAttribute("aria-pressed", layer === now.layer && head === now.head - 1);
    square.setAttribute("aria-label", say(words.square, {layer: layer + 1, n: head + 1, token: names[j], share: percent(weights[j])}));
  });
  const large = matrix(GRID, chosen), row = names.slice(-large.length);
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
    [say(words.query, {token: names[i]}), numbersOf(query)],
    [say(words.key, {token: names[j]}), numbersOf(key)],
    [say(words.score, {size: query.length}), decimals(score, 3)],
    [say(words.weight, {n: names.length}), percent(last.attention[now.layer][head][j])],
    [say(words.value, {token: names[j]}), numbersOf(value)],
  ]);
};

// Writing on: at most some tokens a second, so that they can be read.
let timer;
const run = (on) => {
  const ends = now.runs && !on;
  now.runs = on;
  runs.textContent = on ? words.pause : words.run;
  clearInterval(timer);
  if (on) waits();
  if (on) timer = setInterval(() => { if (!busy) append(); }, 120);
  else if (ends) redraw(); // now it is read out
};

const prompt = field(words.prompt, "input", data.prompt, (value) => { run(false); now.types = true; begin(value); });
prompt.addEventListener("change", () => { now.types = false; redraw(); });
prompt.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) { now.types = false; run(true); } });
const buttons = make("div", controls);
const runs = button(words.run, () => run(!now.runs), buttons);
runs.classList.add("first");
button(words.step, () => { run(false); append(); }, buttons);
button(words.back, () => { run(false); back(); }, buttons);
button(words.again, () => { run(false); begin(prompt.value); }, buttons);
// What one needs later stands below, folded.
const more = make("div", find(".more"), "", "lm-controls");
const later = (made) => { more.append(controls.lastElementChild); return made; };
const values = {
  temperature: [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.5, 2], k: [1, 2, 5, 10, 20, 50, 100, Infinity], p: [0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 1],
};
for (const [name, show] of [["temperature", (v) => decimals(v, 1)], ["k", (v) => (v === Infinity ? words.any : `${v}`)], ["p", (v) => decimals(v, 2)]]) {
  const at = values[name].indexOf(now.draws[name]);
  later(steps(words[name], values[name], at, show, (i) => { now.draws[name] = values[name][i]; if (!busy) drawBars(now.seen.at(-1).logits); }));
}
const redraw = () => { if (!busy) draw(); };
const numbers = (n) => Array.from({length: n}, (_, i) => `${i + 1}`);
const layers = choice(words.layer, numbers(data.layers), now.layer, (i) => { now.layer = i; redraw(); }, more);
const heads = choice(words.head, [words.all, ...numbers(data.heads)], 0, (i) => { now.head = i; redraw(); }, more);
const mute = button(words.mute, () => {
  const name = `${now.layer} ${now.head - 1}`;
  if (!model.off.delete(name)) model.off.add(name);
  rewrite();
}, more);
mute.disabled = true;

// The views, drawn while they are open.
const views = find(".views"), squares = find(".heads"), sums = find(".look");
let from, bars;
const arm = () => {
  bars = [...find(".next tbody").rows];
  bars.slice(0, -1).forEach(({cells: [place]}) => {
    place.replaceChildren();
    const pick = button("", () => append(Number(pick.dataset.id)), place);
    // What stands under a finger stays there until it has pressed.
    pick.addEventListener("pointerdown", () => run(false));
  });
  squares.replaceChildren(); // what Python drew stays until then
  for (let n = 0; n < data.layers * data.heads; n++) {
    button("", () => {
      [now.layer, now.head] = [Math.floor(n / data.heads), (n % data.heads) + 1];
      layers.querySelectorAll("input")[now.layer].checked = true;
      heads.querySelectorAll("input")[now.head].checked = true;
      redraw();
    }, squares);
  }
  from = field(words.from, "select", "", (j) => { now.from = Number(j); if (!busy) look(); });
  from.addEventListener("focus", () => run(false)); // its list stays while one chooses
  find(".from").append(from.parentElement);
};
views.addEventListener("toggle", () => { if (views.open && !busy) look(); });

// A reader's first sign on the page.
const SIGNS = ["pointermove", "pointerdown", "wheel", "keydown", "focusin"];
const sign = new Promise((done) => { for (const name of SIGNS) addEventListener(name, done, {once: true, capture: true, passive: true}); });

const open = async () => {
  model = new Transformer(courseModels.writer);
  arm();
  busy = false;
  await work();
  start(drawArcs);
};
const watch = new ResizeObserver(drawArcs);
for (const each of [list, list.parentElement]) watch.observe(each);

// Only where it is seen is it loaded, and where somebody reads: who only passes by is spared its size.
new IntersectionObserver(async (entries, observer) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  if (!globalThis.courseModels?.writer) await sign;
  load().then(open).catch(() => {
    run(false);
    for (const part of [controls, find(".more")]) part.hidden = true;
    write(says, say(words.fails, {src: data.src}));
  });
}).observe(figure);
// Who presses before the model is there is answered when it is.
for (const part of [controls, find(".more")]) part.hidden = false;
