"use strict";
// Sorts a table by the column whose heading is pressed; a third press gives the first order back.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const now = was === "ascending" ? "descending" : was === "descending" ? null : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (now) head.setAttribute("aria-sort", now);
      const key = (row) => row.cells[column].dataset.sort;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
        return now === "descending" ? -order : order;
      };
      body.append(...(now ? [...first].sort(compare) : first));
    });
  });
}
// Shows a picture large.
const dialog = document.getElementById("large");
for (const image of document.querySelectorAll(".picture img")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "zoom";
  button.setAttribute("aria-label", "Show large: " + image.alt);
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const copy = image.cloneNode();
    dialog.querySelector("img")?.remove();
    dialog.querySelector("p").textContent = image.alt;
    dialog.append(copy);
    dialog.showModal();
  });
}
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
