const pictures = [...figure.querySelectorAll(".lm-frame")];
let now = data.first;
const draw = () => {
  pictures.forEach((picture, i) => {
    picture.classList.toggle("now", i === now);
    picture.setAttribute("aria-hidden", i !== now);
  });
};
steps(data.label, data.values, now, String, (at) => { now = at; draw(); });
start(draw);
