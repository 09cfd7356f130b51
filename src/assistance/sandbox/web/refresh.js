// Fetches the page again and replaces only the parts that changed: what is typed or unfolded stays.
"use strict";

const EVERY_MS = 1500;

function replaceChanged(fresh) {
  for (const shown of document.querySelectorAll("[data-live]")) {
    const now = fresh.querySelector(`[data-live="${shown.dataset.live}"]`);
    if (!now || now.outerHTML === shown.dataset.html) continue;
    const unfolded = shown.querySelector("details[open]") !== null;
    const html = now.outerHTML;
    now.querySelector("details")?.toggleAttribute("open", unfolded);
    now.dataset.html = html;
    shown.replaceWith(now);
  }
}

async function refresh() {
  try {
    if (!document.hidden) {
      const answer = await fetch("/sandbox");
      if (answer.ok) replaceChanged(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale"); // The service does not answer; try again.
  }
  setTimeout(refresh, EVERY_MS);
}

refresh();
