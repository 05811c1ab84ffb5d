// Makes pages of the console live. Everything works without it.

const parts = document.querySelectorAll("[data-live]");
const lost = document.getElementById("lost");
let stream = null;

/** Puts new content into a part, unless somebody is in the middle of using it. */
function update({ id, html }) {
  const part = document.getElementById(id);
  if (!part || part.contains(document.activeElement)) return;
  const selection = getSelection();
  if (!selection.isCollapsed && part.contains(selection.anchorNode)) return;
  const next = document.createElement("template");
  next.innerHTML = html;
  const open = [...part.querySelectorAll("details")].map((it) => it.open);
  next.content.querySelectorAll("details").forEach((it, at) => { it.open = open[at] ?? false; });
  part.replaceChildren(next.content);
  makeSortable(part);
}

/** Sorts a table by one of its columns: by times and numbers where it has them, otherwise by text. */
function sort(table, column, descending) {
  const value = (row) => {
    const cell = row.cells[column];
    const time = cell.querySelector("time");
    if (time) return Date.parse(time.dateTime);
    const text = cell.textContent.trim();
    const number = Number(text.replaceAll("\u202f", "").replace("−", "-"));
    return text === "" || Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const order = (a, b) => {
    if (typeof a === typeof b) return a < b ? -1 : Number(a > b);
    return typeof a === "number" ? -1 : 1;
  };
  const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
  rows.sort(([a], [b]) => (descending ? order(b, a) : order(a, b)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
  for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
  table.tHead.rows[0].cells[column].ariaSort = descending ? "descending" : "ascending";
}

/** The columns that tables are sorted by, under the names that `nameOf` gives them. */
const sorted = new Map();

/** A table's live part and its place there, which stay when the part gets new content. */
function nameOf(table) {
  const part = table.closest("[data-live]");
  return `${part?.id} ${[...(part ?? document).querySelectorAll("table")].indexOf(table)}`;
}

/** Makes the columns of tables sortable, and sorts again what was sorted before. */
function makeSortable(root) {
  root.querySelectorAll(".wide table").forEach((table) => {
    // One with groups has an order of its own.
    if (table.tBodies.length > 1) return;
    const key = nameOf(table);
    for (const head of table.tHead?.rows[0].cells ?? []) {
      if (head.textContent === "Actions" || table.tBodies[0].rows.length < 2) continue;
      const button = document.createElement("button");
      button.className = "sort";
      button.textContent = head.textContent;
      button.addEventListener("click", () => {
        const descending = head.ariaSort === "ascending";
        sorted.set(key, [head.cellIndex, descending]);
        sort(table, head.cellIndex, descending);
      });
      head.replaceChildren(button);
    }
    if (sorted.has(key)) sort(table, ...sorted.get(key));
  });
}

function open() {
  if (stream || parts.length === 0) return;
  stream = new EventSource(location.href);
  stream.addEventListener("open", () => { lost.hidden = true; });
  stream.addEventListener("part", (event) => update(JSON.parse(event.data)));
  // The page is no longer ours to see, for example after signing out elsewhere.
  stream.addEventListener("gone", () => location.reload());
  stream.addEventListener("error", () => {
    lost.hidden = false;
    // The browser tries again by itself, unless it was refused.
    if (stream.readyState === EventSource.CLOSED) {
      stream = null;
      setTimeout(open, 5000);
    }
  });
}

function close() {
  stream?.close();
  stream = null;
}

// A browser has few connections to a host, so pages that nobody sees hold none.
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
makeSortable(document);
open();

// Ids are copied on a click.
document.addEventListener("click", async (event) => {
  const id = event.target.closest("code.id");
  if (!id) return;
  await navigator.clipboard?.writeText(id.textContent);
  id.dataset.copied = "";
  setTimeout(() => delete id.dataset.copied, 1500);
});
