"use strict";
// While a sweep runs: asks this page's server for a newer one, and takes over filters, sorting, folds, focus and place.
const SECONDS = 3;
const KEPT = "distilpose report state";
const live = document.getElementById("live");

function stateOfPage() {
  const sorted = [...document.querySelectorAll("th[aria-sort]")].map((head) =>
    [head.querySelector("button").id, head.getAttribute("aria-sort")]);
  const filters = [...document.querySelectorAll(".filter input")].map((input) => [input.id, input.value]);
  const open = [...document.querySelectorAll("details[open]")].map((part) => part.id);
  const more = [...document.querySelectorAll(".more :checked")].map((box) => box.id);
  return { sorted, filters, open, more, focus: document.activeElement?.id ?? "", x: scrollX, y: scrollY };
}
function restore(state) {
  for (const [id, value] of state.filters) {
    const input = document.getElementById(id);
    if (!input || !value) continue;
    input.value = value;
    input.dispatchEvent(new Event("input"));
  }
  for (const [id, direction] of state.sorted) {
    const button = document.getElementById(id);
    for (let press = 0; button && press < (direction === "ascending" ? 1 : 2); press++) button.click();
  }
  for (const id of state.open) document.getElementById(id)?.setAttribute("open", "");
  for (const id of state.more) document.getElementById(id)?.click();
  if (state.focus) document.getElementById(state.focus)?.focus({ preventScroll: true });
  scrollTo({ left: state.x, top: state.y, behavior: "instant" });
}

history.scrollRestoration = "manual";
const kept = sessionStorage.getItem(KEPT);
sessionStorage.removeItem(KEPT);
if (kept) restore(JSON.parse(kept));

async function look() {
  try {
    const answer = await fetch("version", { cache: "no-store" });
    const newest = await answer.text();
    live.textContent = "live";
    if (answer.ok && newest !== document.documentElement.dataset.version && !dialog.open) {
      sessionStorage.setItem(KEPT, JSON.stringify(stateOfPage()));
      location.reload();
      return;
    }
  } catch {
    live.textContent = "no longer live: the command that served this page has ended";
  }
  setTimeout(look, SECONDS * 1000);
}
setTimeout(look, SECONDS * 1000);
