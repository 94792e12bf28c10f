const now = [...data.start];
let turn = 0;
const draw = () => {
  const texts = data.samples[now[0]][now[1]];
  write(find("blockquote"), texts[turn % texts.length]);
};
data.labels.forEach((label, i) => {
  steps(label, data.settings[i], now[i], String, (at) => { now[i] = at; draw(); });
});
button(words.another, () => { turn += 1; draw(); });
start(draw);
