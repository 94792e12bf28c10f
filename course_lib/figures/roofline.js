const now = {...data.first};
const seconds = (x) => inUnits(x, words.seconds, digits);

const draw = () => {
  const [d, t, gpu] = [data.choices.width[now.width], data.choices.tokens[now.tokens], data.gpus[now.gpu]];
  const flops = 2 * t * d * 4 * d;
  const bytes = 2 * (t * d + 4 * d * d + 4 * t * d);
  const [intensity, ridge] = [flops / bytes, gpu.peak / gpu.bandwidth];
  const speed = Math.min(gpu.peak, intensity * gpu.bandwidth);
  const point = (x, y) => `${place(data.x, x)} ${place(data.y, y)}`;
  const {low, high} = data.x;
  find(".curve").setAttribute("d", `M${point(low, low * gpu.bandwidth)}L${point(ridge, gpu.peak)}L${point(high, gpu.peak)}`);
  find(".now").setAttribute("d", `M${point(intensity, speed)}V${data.y.start}`);
  find("circle").setAttribute("cx", place(data.x, intensity));
  find("circle").setAttribute("cy", place(data.y, speed));
  tell({
    tokens: plain(t), width: plain(d), wide: plain(4 * d), gpu: gpu.name,
    limit: intensity < ridge ? words.memory : words.arithmetic,
    speed: digits(speed / 1e12), percent: digits(100 * speed / gpu.peak),
  });
  const values = [number(flops), number(bytes), digits(intensity), digits(ridge), seconds(flops / speed)];
  rows(find("tbody"), words.rows.map((name, i) => [say(name, {gpu: gpu.name}), values[i]]));
};

["width", "tokens"].forEach((name) => {
  steps(words[name], data.choices[name], now[name], plain, (at) => { now[name] = at; draw(); });
});
choice(words.gpu, data.gpus.map((gpu) => gpu.name), now.gpu, (i) => { now.gpu = i; draw(); });
start(draw);
