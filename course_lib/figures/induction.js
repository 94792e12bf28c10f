let {at, head} = data.first;
const cells = [...figure.querySelectorAll(".map rect")];

const draw = () => {
  const map = data.maps[at][head];
  let cell = 0;
  map.forEach((row, i) => row.slice(0, i + 1).forEach((weight) => {
    cells[cell].style.setProperty("--weight", `${weight}%`);
    cell += 1;
  }));
  const queries = map.slice(data.period);
  const score = queries.reduce((sum, row, i) => sum + row[i + 1], 0) / queries.length;
  find("circle").setAttribute("cx", place(data.x, data.steps[at]));
  find("circle").setAttribute("cy", place(data.y, data.losses[at]));
  tell({step: data.steps[at], head: data.heads[head], score: decimals(score, 0), loss: decimals(data.losses[at], 2)});
};
steps(words.step, data.steps, at, String, (i) => { at = i; draw(); });
choice(words.head, data.heads, head, (i) => { head = i; draw(); });
start(draw);
