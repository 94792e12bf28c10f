const now = {...data.first};
const ratioAt = (x) => data.marks.map(([mark]) => 10 ** mark).find((mark) => Math.abs(Math.log10(mark) - x) < 0.006) ?? 10 ** x;

const draw = () => {
  const [n, ratio] = [data.sizes[now.size], ratioAt(now.ratio)];
  const tokens = n * ratio;
  const read = tokens / data.tokensPerWord;
  const years = read / data.wordsPerMinute / (60 * 24 * 365.25);
  const values = [
    number(tokens),
    inUnits(tokens * data.bytesPerToken, words.sizes, digits),
    number(read / data.wordsPerBook),
    inUnits(years, words.years, number),
    say(words.percent, {n: digits((100 * tokens) / data.webTokens)}),
  ];
  rows(find("tbody"), words.rows.map((name, i) => [name, values[i]]));
  tell({n: number(n), ratio: digits(ratio), d: number(tokens)});
};

steps(words.parameters, data.sizes, now.size, number, (at) => { now.size = at; draw(); });
slider(words.ratio, {
  at: now.ratio, min: data.low, max: data.high, step: 0.01, show: (x) => digits(ratioAt(x)),
  marks: data.marks,
}, (x) => { now.ratio = x; draw(); });
start(draw);
