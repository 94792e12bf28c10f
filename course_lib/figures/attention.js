const standard = 1 / Math.sqrt(data.headDim);
let asking = data.asking;
let at = Math.log10(standard);
// The slider moves in steps; a mark within a step is meant exactly.
const scaleAt = (x) => [standard, 1].find((mark) => Math.abs(Math.log10(mark) - x) < 0.006) ?? 10 ** x;
const shownScale = (x) => decimals(scaleAt(x), 2);

const draw = () => {
  const scale = scaleAt(at);
  const dots = data.dots[asking];
  const scores = dots.map((dot) => dot * scale);
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const total = powers.reduce((a, b) => a + b, 0);
  const weights = powers.map((power) => power / total);
  const most = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3);
  const tie = most.length > 1 && weights[most[0]] - weights[most[1]] < 1e-9;
  rows(
    find("tbody"),
    data.tokens.map((token, j) => [token, decimals(dots[j], 2), decimals(scores[j], 2), decimals(powers[j], 3), decimals(weights[j], 3), [weights[j]]]),
    data.tokens.map((_, j) => (j === most[0] && !tie ? "most" : "")),
  );
  const shares = most.map((j) => say(words.share, {percent: decimals(100 * weights[j], 0), token: data.tokens[j]}));
  tell({scale: decimals(scale, 2), token: data.tokens[asking], shares: shares.join(", ")});
  drawArcs(weights);
};

// Arcs stand side by side on the asking token: nearest outside, farthest in the middle, so that none hides another.
const drawArcs = (weights) => {
  const tall = svg.clientHeight;
  const middles = labels.map((label) => label.offsetLeft + label.offsetWidth / 2);
  const middle = middles[asking];
  const width = (j) => 1 + 15 * weights[j];
  const far = Math.max(240, ...middles.map((x) => Math.abs(x - middle)));
  const others = [...weights.keys()].filter((j) => j !== asking);
  const order = [...others.filter((j) => j < asking).reverse(), ...others.filter((j) => j > asking).reverse()];
  let end = middle - order.reduce((sum, j) => sum + width(j) + 1, 0) / 2;
  svg.setAttribute("viewBox", `0 0 ${track.clientWidth} ${tall}`);
  order.forEach((j) => {
    const foot = end + width(j) / 2;
    end += width(j) + 1;
    const reach = Math.abs(foot - middles[j]);
    const high = (tall - 14) * Math.min(1, reach / far) ** 0.75;
    const arc = `M${foot} ${tall}v-3A${reach / 2} ${high} 0 0 ${j < asking ? 0 : 1} ${middles[j]} ${tall - 3}v3`;
    arcs[j].setAttribute("d", weights[j] < 0.005 ? "" : arc);
    arcs[j].style.strokeWidth = `${width(j)}px`;
  });
  arcs[asking].setAttribute("d", "");
  labels.forEach((label, j) => label.style.setProperty("--weight", decimals(weights[j], 3)));
};

const field = choice(words.query, data.tokens, asking, (i) => { asking = i; draw(); }, find(".lm-scroll"));
field.firstElementChild.className = "lm-sr";
const track = field.lastElementChild;
const labels = [...track.children];
const svg = track.appendChild(find("svg"));
const arcs = data.tokens.map(() => make("path", svg));
slider(words.scale, {
  at, min: -2, max: 1, step: 0.01, show: shownScale,
  marks: [
    [Math.log10(standard), say(words.standard, {d: data.headDim, scale: decimals(standard, 2)}), "before"],
    [0, words.none, "after"],
  ],
}, (x) => { at = x; draw(); });
start(draw);
// The arcs stand where the tokens do, also when the width or the font changes.
new ResizeObserver(draw).observe(track);
