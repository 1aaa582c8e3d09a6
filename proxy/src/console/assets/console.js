// Comfort only: every page works without it. Moving by keyboard, and looking for new requests.
"use strict";
const rows = [...document.querySelectorAll("a.main")];
const pages = { p: "/", h: "/history", s: "/sessions", r: "/recordings", o: "/policies", e: "/health" };
const steps = document.querySelector("nav[data-steps]");
let at = -1;
let going = false;
const typing = (element) => element instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);

addEventListener("keydown", (event) => {
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (going && pages[event.key]) {
    location.href = pages[event.key];
    return;
  }
  going = event.key === "g";
  // A replay: one statement after the other.
  if (steps) {
    const rel = { j: "next", ArrowRight: "next", k: "prev", ArrowLeft: "prev", u: "up" }[event.key];
    steps.querySelector(`a[rel=${rel}]`)?.click();
    return;
  }
  const step = { j: 1, k: -1 }[event.key];
  if (step && rows.length) {
    rows[at]?.closest("tr")?.classList.remove("at");
    at = Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[at].focus();
    rows[at].closest("tr")?.classList.add("at");
  }
});

// The pending page reloads when what it shows has changed, unless someone is reading with the keyboard.
if (document.body.dataset.here === "pending" && location.pathname === "/") {
  let known = null;
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/pending.json", { headers: { accept: "application/json" } });
      const now = JSON.stringify(await answer.json());
      if (known !== null && now !== known) location.reload();
      known = now;
    } catch {
      // The proxy is away for a moment; the next look tries again.
    }
  };
  look();
  setInterval(look, 3000);
}
