const now = {...data.first};
const size = (x) => (x ? inUnits(x, words.sizes, digits) : words.none);

const draw = () => {
  const [name, n, layers, width, heads, shared] = data.shapes[now.model];
  const [bits, context, texts] = ["bits", "context", "texts"].map((key) => data.choices[key][now[key]]);
  const learned = layers * 2 * 2 * data.rank * width;
  const cache = 2 * layers * shared * (width / heads) * 2 * context * texts;
  const parts = [
    [(n * bits) / 8, 0, cache],
    [(n * bits) / 8, 16 * learned, 0],
    [4 * n, 12 * n, 0],
  ][now.use];
  const total = parts.reduce((a, b) => a + b);
  const values = [
    ...parts.map(size),
    size(total),
    ...data.cards.map((card) => plain(Math.ceil(total / card))),
    now.use ? words.none : say(words.speed, {n: digits((texts * data.bandwidth) / total)}),
  ];
  rows(find("tbody"), words.rows.map((row, i) => [row, values[i]]));
  write(find(".lm-says"), say(words.says[now.use], {model: name, size: size(total)}));
};

choice(words.model, data.shapes.map(([name]) => name), now.model, (i) => { now.model = i; draw(); });
choice(words.use, words.uses, now.use, (i) => { now.use = i; draw(); });
choice(words.bits, data.choices.bits.map(String), now.bits, (i) => { now.bits = i; draw(); });
["context", "texts"].forEach((key) => {
  steps(words[key], data.choices[key], now[key], plain, (at) => { now[key] = at; draw(); });
});
start(draw);
