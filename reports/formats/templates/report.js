"use strict";
// Tables: sorted by the column whose heading is pressed (a third press gives the first order back), and filtered.
const FILTERED_FROM = 9;
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.id = `${table.id}-sort-${column}`;
    button.append(...head.childNodes);
    head.append(button);
    const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
    const missing = (row) => row.cells[column].classList.contains("gap");
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const now = was === "ascending" ? "descending" : was === "descending" ? null : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (now) head.setAttribute("aria-sort", now);
      const keyed = first.map((row) => ({ row, value: key(row), gap: missing(row) }));
      const compare = (a, b) => {
        if (a.gap || b.gap) return a.gap - b.gap;
        const order = isNaN(a.value) || isNaN(b.value)
          ? a.value.localeCompare(b.value, undefined, { numeric: true }) : a.value - b.value;
        return now === "descending" ? -order : order;
      };
      body.append(...(now ? keyed.sort(compare).map((one) => one.row) : first));
    });
  });
  if (first.length >= FILTERED_FROM) addFilter(table, first);
}

// Rows that hold every word of the filter stay; `-word` leaves rows out that hold it.
function addFilter(table, rows) {
  const line = document.createElement("p");
  line.className = "filter";
  const label = document.createElement("label");
  label.textContent = "Filter rows ";
  const input = document.createElement("input");
  input.type = "search";
  input.id = `${table.id}-filter`;
  input.setAttribute("aria-controls", table.id);
  input.placeholder = "words, or -word";
  const said = document.createElement("output");
  said.setAttribute("aria-live", "polite");
  label.append(input);
  line.append(label, said);
  table.closest(".scroll").before(line);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
    const fits = (text) => words.every((word) => word[0] === "-" ? !text.includes(word.slice(1)) : text.includes(word));
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = !fits(texts[place]);
      shown += !row.hidden;
    });
    said.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
}

// Pictures: shown large, with the other rows' one key away.
const dialog = document.getElementById("large");
const shown = dialog.querySelector(".shown");
const title = document.getElementById("large-title");
let place = 0;
let series = [];
function show(step) {
  place = (place + step + series.length) % series.length;
  title.textContent = series[place].alt;
  shown.replaceChildren(series[place].cloneNode(true));
}
for (const gallery of document.querySelectorAll(".gallery")) {
  const images = [...gallery.querySelectorAll("img")];
  images.forEach((image, position) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "zoom";
    button.setAttribute("aria-label", "Show large: " + image.alt);
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => {
      series = images;
      place = position;
      for (const other of dialog.querySelectorAll("[data-step]")) other.hidden = series.length < 2;
      show(0);
      dialog.showModal();
    });
  });
}
for (const button of dialog.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => show(Number(button.dataset.step)));
}
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && series.length > 1) show(step);
});
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => {
    button.nextElementSibling.select();
    document.execCommand("copy");
    button.textContent = "Copied";
  });
}
