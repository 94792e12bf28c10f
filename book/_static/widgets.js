// For pages with Jupyter widgets, loaded between require.js and the widgets' manager.

// The manager and its icon fonts are looked for in the book's own static files.
require.config({ baseUrl: document.documentElement.dataset.content_root + "_static" });

// The manager asks MathJax 2 to typeset a widget's text; the book has MathJax 3.
window.addEventListener("load", () => {
  if (window.MathJax) window.MathJax.Hub = { Queue() {} };
});
