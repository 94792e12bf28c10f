// Slides: what stands on one is made as large as the stage has room for.
const deck = new Reveal({
  width: 1280,
  height: 720,
  margin: 0,
  maxScale: 4,
  center: false,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  backgroundTransition: "none",
  plugins: [RevealNotes],
});

const fit = (section) => {
  const slide = section.querySelector(".slide");
  const box = slide.querySelector(".fit");
  for (let zoom = box.querySelector("figure") ? 1.3 : 1; zoom > 0.3; zoom *= 0.96) {
    box.style.zoom = zoom;
    if (slide.scrollHeight <= slide.clientHeight && box.scrollWidth <= box.clientWidth) break;
  }
};

deck.on("ready", ({ currentSlide }) => fit(currentSlide));
deck.on("slidechanged", ({ currentSlide }) => fit(currentSlide));
// Formulas and fonts have their sizes later.
addEventListener("load", async () => {
  await document.fonts.ready;
  fit(deck.getCurrentSlide());
});
deck.initialize();
