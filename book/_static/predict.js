// A choice that is clicked in a *Predict* opens what happens: the first folded output below it.
const FOLDS = ".tag_hide-output > details, .tag_hide-cell:not(.tag_solution) > details";
addEventListener(
  "toggle",
  ({ target }) => {
    if (!target.matches?.("details.choice[open]")) return;
    const isBelow = (fold) => target.compareDocumentPosition(fold) & Node.DOCUMENT_POSITION_FOLLOWING;
    const fold = [...document.querySelectorAll(FOLDS)].find(isBelow);
    if (fold) fold.open = true;
  },
  true, // a toggle doesn't bubble
);
