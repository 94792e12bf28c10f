// For pages with Jupyter widgets: their manager, 4 MB, comes when the page is there. In a served page it
// comes when a reader is near the first widget, so that a phone needn't read it before the text.

addEventListener("load", () => {
  const home = document.documentElement.dataset.content_root + "_static";
  const bring = () => {
    window.require = { baseUrl: home }; // where the manager and its icon fonts are looked for
    for (const name of ["require.js", "@jupyter-widgets/html-manager/dist/embed-amd.js"])
      document.head.append(Object.assign(document.createElement("script"), { src: `${home}/${name}`, async: false }));
  };
  if (location.protocol === "file:") return bring();
  const near = new IntersectionObserver((seen) => {
    if (!seen.some((each) => each.isIntersecting)) return;
    near.disconnect();
    bring();
  }, { rootMargin: "1500px" });
  for (const view of document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]'))
    near.observe(view.parentElement);
});
