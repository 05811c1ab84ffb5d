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
open();

// Ids are copied on a click.
document.addEventListener("click", async (event) => {
  const id = event.target.closest("code.id");
  if (!id) return;
  await navigator.clipboard?.writeText(id.textContent);
  id.dataset.copied = "";
  setTimeout(() => delete id.dataset.copied, 1500);
});
