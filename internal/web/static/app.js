// Keeps the open page current: asks for its live part, changes only what differs, and says so when
// it cannot. Everything on the page is rendered by the agent; nothing is computed here but times.
"use strict";

(() => {
  const link = document.getElementById("link");
  const linkText = document.getElementById("link-text");
  const lamp = link.querySelector(".lamp");
  let lastGood = Date.now();
  let timer = 0;
  let running = false;
  let failures = 0;

  const main = () => document.getElementById("main");
  const live = () => main().dataset.fragment;

  // --- times

  const nbsp = "\u00a0";
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function span(ms) {
    const s = Math.floor(ms / 1000);
    for (let i = 0; i < units.length; i++) {
      const [size, name] = units[i];
      if (s < size) continue;
      let text = Math.floor(s / size) + nbsp + name;
      const next = units[i + 1];
      if (next && size !== 60 && s % size >= next[0] && s < 100 * 86400) {
        text += nbsp + Math.floor((s % size) / next[0]) + nbsp + next[1];
      }
      return text;
    }
    return "";
  }

  const ago = (ms) => ms < 1000 ? "just now" : span(ms) + " ago";

  // The agent's clock counts, not this computer's.
  let skew = 0;

  function readClock(from) {
    const now = Date.parse(from.dataset.now);
    if (now) skew = now - Date.now();
  }

  const local = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });
  const localFull = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

  function tellTimes(root) {
    for (const t of root.querySelectorAll("time[data-rel]")) {
      const at = new Date(t.dateTime);
      setText(t, ago(Date.now() + skew - at));
      t.title = at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC") + ", here " + localFull.format(at);
    }
    for (const t of root.querySelectorAll("time[data-until]")) {
      const left = new Date(t.dateTime) - Date.now() - skew;
      setText(t, left < 1000 ? "now" : "in" + nbsp + span(left));
    }
    for (const t of root.querySelectorAll("time[data-abs]")) {
      const at = new Date(t.dateTime);
      if (at.getTimezoneOffset() === 0) continue;
      const utc = at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
      setText(t, utc + " (" + local.format(at) + ")");
    }
  }

  function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  // --- changing only what differs, so that focus, scrolling, open parts and typed text stay

  function morph(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || (from.id || "") !== (to.id || "")) {
      from.replaceWith(to);
      return;
    }
    if (from.nodeType === Node.TEXT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE || from.hasAttribute("data-keep")) return;
    const keeps = from.nodeName === "DETAILS" ? "open" : from.nodeName === "INPUT" ? "value" : "";
    for (const a of [...from.attributes]) {
      if (a.name !== keeps && !to.hasAttribute(a.name)) from.removeAttribute(a.name);
    }
    for (const a of to.attributes) {
      if (a.name !== keeps && from.getAttribute(a.name) !== a.value) from.setAttribute(a.name, a.value);
    }
    morphChildren(from, to);
  }

  function morphChildren(from, to) {
    const byId = new Map();
    for (const c of from.children) if (c.id) byId.set(c.id, c);
    let cursor = from.firstChild;
    for (const next of [...to.childNodes]) {
      const known = next.id && byId.get(next.id);
      if (known) {
        if (known === cursor) cursor = cursor.nextSibling;
        else from.insertBefore(known, cursor);
        morph(known, next);
      } else if (cursor && !cursor.id && !next.id && cursor.nodeName === next.nodeName) {
        const after = cursor.nextSibling;
        morph(cursor, next);
        cursor = after;
      } else {
        from.insertBefore(next, cursor);
      }
    }
    while (cursor) {
      const after = cursor.nextSibling;
      cursor.remove();
      cursor = after;
    }
  }

  function swap(html) {
    const next = new DOMParser().parseFromString(html, "text/html").getElementById("main");
    if (!next) throw new Error("the answer is not a page");
    readClock(next);
    tellTimes(next);
    const focused = document.activeElement;
    morph(main(), next);
    if (focused && focused !== document.activeElement && document.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
    document.title = main().dataset.title;
  }

  // --- asking

  async function refresh() {
    clearTimeout(timer);
    if (running || !live()) return;
    running = true;
    const asked = live();
    try {
      const answer = await fetch(asked, { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error("answer " + answer.status);
      const html = await answer.text();
      swap(html);
      lastGood = Date.now();
      failures = 0;
      lamp.classList.remove("beat");
      requestAnimationFrame(() => lamp.classList.add("beat"));
    } catch {
      failures++;
    }
    running = false;
    show();
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (document.hidden) return;
    const every = Math.max(250, Number(main().dataset.refreshMs) || 2000);
    timer = setTimeout(refresh, failures ? Math.min(10000, every * 2 ** Math.min(failures, 5)) : every);
  }

  function show() {
    link.className = failures ? "link lost" : "link live";
    setText(linkText, failures ? "Connection lost, last update " + ago(Date.now() - lastGood) : "Live");
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else refresh();
  });
  window.addEventListener("online", refresh);

  // --- reading a value off a chart

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);

  function nearest(svg, x) {
    const line = svg.querySelector(".line");
    let best = null;
    if (!line) return best;
    for (const m of line.getAttribute("d").matchAll(/([\d.]+) ([\d.]+)/g)) {
      const away = Math.abs(m[1] - x);
      if (!best || away < best.away) best = { x: Number(m[1]), y: Number(m[2]), away };
    }
    return best;
  }

  document.addEventListener("pointermove", (event) => {
    const svg = event.target instanceof Element && event.target.closest("svg[data-unit]");
    tip.hidden = true;
    if (!svg) return;
    const box = svg.getBoundingClientRect();
    const point = nearest(svg, (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width);
    if (!point || point.away > 12) return;
    const d = Object.fromEntries(Object.entries(svg.dataset).map(([k, v]) => [k, Number(v)]));
    const at = new Date(d.from + (point.x - d.left) / (d.right - d.left) * (d.to - d.from));
    const value = d.low + (d.bottom - point.y) / (d.bottom - d.top) * (d.high - d.low);
    const utc = at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
    setText(tip, value.toLocaleString("en", { maximumSignificantDigits: 3 }) + svg.dataset.unit + " at " + utc);
    const x = box.left + point.x / svg.viewBox.baseVal.width * box.width;
    const y = box.top + point.y / svg.viewBox.baseVal.height * box.height;
    tip.hidden = false;
    const half = tip.offsetWidth / 2 + 6;
    tip.style.left = Math.min(Math.max(x, half), document.documentElement.clientWidth - half) + scrollX + "px";
    tip.style.top = y + scrollY + "px";
  });

  // --- deciding

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.post) return;
    event.preventDefault();
    const to = (event.submitter && event.submitter.dataset.post) || form.dataset.post;
    const out = form.querySelector("output");
    const buttons = form.querySelectorAll("button");
    for (const b of buttons) b.disabled = true;
    out.textContent = "Sending…";
    try {
      const answer = await fetch(to, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(Object.fromEntries(new FormData(form))),
      });
      const body = await answer.json();
      out.textContent = answer.ok ? "Done." : body.error;
      if (answer.ok) form.closest("details").open = false;
    } catch {
      out.textContent = "The agent did not answer. Look whether it was done before you send it again.";
    }
    for (const b of buttons) b.disabled = false;
    refresh();
  });

  readClock(main());
  tellTimes(document);
  setInterval(() => {
    tellTimes(document);
    if (failures) show();
  }, 1000);
  if (live()) {
    show();
    schedule();
  } else {
    link.hidden = true;
  }
})();
