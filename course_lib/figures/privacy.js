const now = {...data.first};

// The Rényi divergence of one step at each order: an integral on a fine grid, in logarithms.
const divergences = (noise, rate) => {
  const reach = 12 * noise;
  const width = Math.max(...data.orders) + 2 * reach;
  const count = Math.floor((width / noise) * 20) + 1;
  const step = width / (count - 1);
  const grid = Array.from({length: count}, (_, i) => i * step - reach);
  const norm = Math.log(noise * Math.sqrt(2 * Math.PI));
  const without = grid.map((z) => -((z / noise) ** 2) / 2 - norm);
  const ratio = grid.map((z) => {
    const [a, b] = [Math.log1p(-rate), Math.log(rate) + (2 * z - 1) / (2 * noise ** 2)];
    return Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
  });
  return data.orders.map((order) => {
    const terms = grid.map((_, i) => order * ratio[i] + without[i]);
    const highest = terms.reduce((a, b) => Math.max(a, b));
    const sum = terms.reduce((total, term) => total + Math.exp(term - highest), 0);
    return (highest + Math.log(sum * step)) / (order - 1);
  });
};
const epsilon = (noise, rate, steps, delta) => {
  const spent = divergences(noise, rate);
  const bounds = data.orders.map((order, i) =>
    steps * spent[i] - Math.log(delta * order) / (order - 1) + Math.log1p(-1 / order));
  return Math.max(0, Math.min(...bounds));
};
const bound = (share, e, delta) => {
  const [one, other] = [Math.exp(Math.min(e, 700)) * share + delta, 1 - Math.exp(-e) * (1 - delta - share)];
  return Math.min(1, Math.max(0, Math.min(one, other)));
};

const draw = () => {
  const [noise, batch, steps] = ["noise", "batch", "steps"].map((name) => data.choices[name][now[name]]);
  const [rate, delta] = [batch / data.records, 1 / data.records];
  const spent = epsilon(noise, rate, steps, delta);
  const [least, most] = [data.x.low, data.x.high];
  const shares = Array.from({length: data.points}, (_, i) => least * (most / least) ** (i / (data.points - 1)));
  const line = shares.map((share) => `${place(data.x, share)} ${place(data.y, bound(share, spent, delta))}`);
  find(".curve").setAttribute("d", `M${line.join("L")}`);
  const caught = bound(data.few, spent, delta);
  const [at, top] = [place(data.x, data.few), place(data.y, caught)];
  find(".now").setAttribute("d", `M${at} ${top}V${data.y.start}`);
  find("circle").setAttribute("cy", top);
  tell({epsilon: digits(spent), caught: digits(100 * caught)});
  const facts = [`${digits(100 * rate)}\u00a0%`, digits(steps * rate), digits(spent), plain(data.records)];
  rows(find("tbody"), facts.map((fact, i) => [words.rows[i], fact]));
};

for (const [name, values] of Object.entries(data.choices)) {
  steps(words[name], values, now[name], plain, (at) => { now[name] = at; draw(); });
}
start(draw);
