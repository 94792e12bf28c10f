const now = {head: data.head, asking: data.asking};
const draw = () => {
  const percents = data.percents[now.head][now.asking];
  [...find("ol").children].forEach((item, i) => {
    item.querySelector(".bar span").style.height = `${percents[i]}%`;
    write(item.querySelector(".percent"), `${percents[i]} %`);
  });
  const most = percents.indexOf(Math.max(...percents));
  tell({
    written: data.written[now.asking], head: data.heads[now.head], read: data.read[most], percent: percents[most],
  });
};
const select = field(words.head, "select", "", (value) => { now.head = value; draw(); });
data.heads.forEach((head, i) => { make("option", select, head).value = i; });
select.value = now.head;
choice(words.asks, data.written, now.asking, (i) => { now.asking = i; draw(); });
start(draw);
