// Draws the Plotly figures of a page, each when it comes near the window: a lesson on a telephone stays light.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const options = { responsive: true, displaylogo: false };
  const near = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
    near.unobserve(target);
    const { data, layout, frames } = JSON.parse(target.firstElementChild.textContent);
    Plotly.newPlot(target, { data, layout, frames, config: options });
  }), { rootMargin: "600px" });
  document.querySelectorAll("div.plotly").forEach((figure) => near.observe(figure));
});
