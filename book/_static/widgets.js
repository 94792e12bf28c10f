// For pages with Jupyter widgets, loaded between require.js and the widgets' manager.

// The manager and its icon fonts are looked for in the book's own static files.
require.config({ baseUrl: document.documentElement.dataset.content_root + "_static" });

// The manager gives a slider no accessible name: take it from the label beside it.
new MutationObserver(() => {
  for (const handle of document.querySelectorAll("[role=slider]:not([aria-label])")) {
    const label = handle.closest(".jupyter-widgets")?.querySelector("label");
    if (label) handle.setAttribute("aria-label", label.textContent);
  }
}).observe(document.documentElement, { childList: true, subtree: true });

// The manager asks MathJax 2 to typeset a widget's text; the book has MathJax 3.
window.addEventListener("load", () => {
  if (window.MathJax) window.MathJax.Hub = { Queue() {} };
});
