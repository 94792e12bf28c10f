// Typeset the formulas of built pages with MathJax, in the files themselves: a page then needs no
// script for them. Called with MathJax's folder, the style sheet to write, and the pages.
const fs = require("fs");
const [folder, sheet, ...pages] = process.argv.slice(2);
const FORMULA = /(<(span|div) [^>]*class="math [^>]*>\s*(?:<span class="eqno">.*?<\/span>)?)\\([([])(.*?)\\[)\]](<\/\2>)/gs;
const MARKS = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&amp;": "&" };

global.MathJax = {
  loader: {
    paths: { mathjax: folder },
    load: ["input/tex", "output/chtml", "a11y/assistive-mml", "adaptors/liteDOM"],
    require,
  },
  // A mistake in a formula stops the build instead of standing in red on the page.
  tex: { packages: { "[-]": ["noundefined", "noerrors"] }, formatError: (jax, error) => { throw error; } },
  chtml: { fontURL: "output/chtml/fonts/woff-v2", adaptiveCSS: false },
  startup: { typeset: false },
};

async function typeset(page) {
  const text = fs.readFileSync(page, "utf8");
  const pieces = [];
  let end = 0;
  for (const { index, 0: all, 1: before, 3: bracket, 4: tex, 5: after } of text.matchAll(FORMULA)) {
    const formula = tex.replace(/&(lt|gt|quot|#x27|amp);/g, (mark) => MARKS[mark]);
    const made = await MathJax.tex2chtmlPromise(formula, { display: bracket === "[" }).catch((error) => {
      throw new Error(`${page}: ${formula.trim()}: ${error.message}`);
    });
    const adaptor = MathJax.startup.adaptor;
    adaptor.setAttribute(adaptor.tags(made, "math")[0], "alttext", formula.trim());
    pieces.push(text.slice(end, index), before, adaptor.outerHTML(made), after);
    end = index + all.length;
  }
  if (end) fs.writeFileSync(page, pieces.join("") + text.slice(end));
}

require(`${folder}/startup.js`);
MathJax.startup.promise
  .then(async () => {
    for (const page of pages) await typeset(page);
    fs.writeFileSync(sheet, MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet()));
  })
  .catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
