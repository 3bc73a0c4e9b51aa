// What a page does beside being read. Figures are drawn when they come near the window, so that a lesson with
// many of them stays light on a telephone; what scrolls sideways can also be reached and scrolled by keys.
"use strict";

function draw(figure) {
  const { data, layout, frames } = JSON.parse(figure.firstElementChild.textContent);
  figure.firstElementChild.remove();
  Plotly.newPlot(figure, { data, layout, frames, config: { responsive: true, displaylogo: false } });
}

function letKeysScroll() {
  for (const part of document.querySelectorAll("article *")) {
    const scrolls = part.scrollWidth > part.clientWidth && /auto|scroll/.test(getComputedStyle(part).overflowX);
    if (scrolls) part.tabIndex = 0;
  }
}

window.addEventListener("load", () => {
  const near = new IntersectionObserver((entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      near.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll("div.plotly").forEach((figure) => near.observe(figure));
  letKeysScroll();
  window.addEventListener("resize", letKeysScroll);
  document.querySelectorAll("details").forEach((folded) => folded.addEventListener("toggle", letKeysScroll));
  window.MathJax?.startup?.promise.then(letKeysScroll);
});
