// A choice that is clicked in a *Predict* opens what happens: the folded outputs up to the next text.
const FOLDS = ".tag_hide-output > details, .tag_hide-cell:not(.tag_solution) > details";
addEventListener(
  "toggle",
  ({ target }) => {
    if (!target.matches?.("details.choice[open]")) return;
    let answered = false;
    for (let next = target.closest("blockquote").nextElementSibling; next; next = next.nextElementSibling) {
      const folds = next.matches(".cell") ? next.querySelectorAll(FOLDS) : [];
      for (const fold of folds) answered = fold.open = true;
      if (answered && !next.matches(".cell")) break;
    }
  },
  true, // a toggle doesn't bubble
);
