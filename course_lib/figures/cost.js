const now = {...data.first};
const ON_MANY = 4; // the row that one GPU doesn't need
const energy = (kwh) => inUnits(kwh, words.energies, digits);
const time = (seconds) => inUnits(seconds, words.times, number);
const scientific = (x) => {
  const [mantissa, exponent] = x.toExponential(2).split("e+");
  return `${mantissa} × 10${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
};
const shown = {parameters: number, tokens: number, percent: (x) => `${x} %`, n: plain};

const draw = () => {
  const gpu = data.gpus[now.gpu];
  const flops = 6 * now.parameters * now.tokens;
  const seconds = flops / (gpu.peak * now.percent / 100);
  const hours = seconds / 3600;
  const [low, high] = [gpu.watts * data.pue[0], gpu.serverWatts * data.pue[1]].map((watts) => energy(hours * watts / 1000));
  const [cheap, dear] = data.dollars.map((price) => number(hours * price));
  const many = inUnits(now.n, words.gpus, plain);
  const values = [
    `${scientific(flops)} FLOP`,
    number(now.tokens / now.parameters),
    number(hours),
    time(seconds),
    time(seconds / now.n),
    say(words.range, {low, high}),
    say(words.dollars, {low: cheap, high: dear}),
  ];
  const facts = words.rows.map((name, i) => [say(name, {many}), values[i]]);
  rows(find("tbody"), facts.filter((_, i) => i !== ON_MANY || now.n > 1));
  tell({
    n: number(now.parameters), d: number(now.tokens), gpu: gpu.name, percent: now.percent, time: time(seconds / now.n), many,
  });
};

const nearest = (name) => {
  const distance = data.choices[name].map((x) => Math.abs(Math.log(x / now[name])));
  return distance.indexOf(Math.min(...distance));
};
const setting = (name) => {
  const values = data.choices[name];
  const move = (at) => { now[name] = values[at]; draw(); };
  return steps(words[name], values, nearest(name), shown[name], move);
};
setting("parameters");
const putTokens = setting("tokens");
button(words.twenty, () => {
  now.tokens = 20 * now.parameters;
  putTokens(nearest("tokens"), number(now.tokens));
  draw();
});
setting("percent");
setting("n");
choice(words.gpu, data.gpus.map((gpu) => gpu.name), now.gpu, (i) => { now.gpu = i; draw(); });
start(draw);
