// For pages with Jupyter widgets, loaded between require.js and the widgets' manager.

// The manager and its icon fonts are looked for in the book's own static files.
require.config({ baseUrl: document.documentElement.dataset.content_root + "_static" });
