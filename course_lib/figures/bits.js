let {bits, way} = data.first;
const ways = ["row", "group"];
const top = 30, bottom = 150;

const draw = () => {
  const name = ways[way];
  const [least, step, size] = data.scales[name][bits];
  const last = 2 ** bits - 1;
  const codes = data.weights.map((w) => (step ? Math.min(last, Math.max(0, Math.round((w - least) / step))) : 0));
  const rounded = codes.map((code) => least + step * code);
  const error = data.weights.reduce((sum, w, i) => sum + Math.abs(w - rounded[i]), 0) / codes.length;
  const levels = Array.from({length: last + 1}, (_, code) => least + step * code);
  find(".all").setAttribute("d", levels.map((level) => `M${place(data.x, level)} ${bottom}v8`).join(""));
  find(".moved").setAttribute("d", data.weights.map((w, i) => `M${place(data.x, w)} ${top}L${place(data.x, rounded[i])} ${bottom}`).join(""));
  const loss = data.losses[name][bits];
  find("circle").setAttribute("cx", place(data.loss.x, bits));
  find("circle").setAttribute("cy", place(data.loss.y, loss));
  tell({
    bits, each: decimals(bits + 32 / size, 2), way: words.ways[way], levels: new Set(codes).size,
    error: decimals(1000 * error, 1), loss: decimals(loss, 2),
    more: decimals(loss - data.losses.group[data.counts[0]], 2),
  });
};
steps(words.bits, data.counts, data.counts.indexOf(bits), String, (i) => { bits = data.counts[i]; draw(); });
choice(words.shared, words.ways, way, (i) => { way = i; draw(); });
start(draw);
