// Making DOM nodes. Text enters the page as text nodes alone; nothing here or elsewhere parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. props: attributes, `class`, `text`, `on: {event: listener}`, and `data-…`; children: nodes or text. */
export function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key === "text") node.textContent = value;
    else if (key === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const PATHS = {
  hash: "M9 4 7 20M17 4l-2 16M4 9h17M3 15h17",
  thread: "M4 5h16v10H10l-4 4v-4H4z",
  close: "M6 6l12 12M18 6 6 18",
  send: "M4 12 20 4l-5 16-3.5-6.5z",
  back: "M15 5l-7 7 7 7",
  eye: "M2 12s4-6.5 10-6.5S22 12 22 12s-4 6.5-10 6.5S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  edit: "M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3",
  delete: "M5 7h14M10 11v6M14 11v6M6 7l1 13h10l1-13M9 7V4h6v3",
  file: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  branch: "M5 4v9a3 3 0 0 0 3 3h11M15 12l4 4-4 4",
};

export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": "2",
      "stroke-linecap": "round", "stroke-linejoin": "round" }),
  );
}

/** The bot's face: a speech bubble with two eyes. */
function face() {
  return svg(
    "svg",
    { viewBox: "0 0 40 40", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: "M8 10a4 4 0 0 1 4-4h16a4 4 0 0 1 4 4v13a4 4 0 0 1-4 4h-8l-7 6v-6h-1a4 4 0 0 1-4-4z", fill: "#fff" }),
    svg("circle", { cx: "16", cy: "16.5", r: "2.4", fill: "#4338ca" }),
    svg("circle", { cx: "24", cy: "16.5", r: "2.4", fill: "#4338ca" }),
  );
}

const HUES = ["#c2410c", "#0f766e", "#7e22ce", "#b45309", "#1d4ed8", "#be185d", "#4d7c0f"];

/** A person's coloured initials, or the bot's face. */
export function avatar(name, isBot = false) {
  if (isBot) return el("span", { class: "avatar bot", "aria-hidden": "true" }, face());
  const initials = name.split(/\s+/).map((word) => word[0] ?? "").join("").slice(0, 2).toUpperCase();
  const node = el("span", { class: "avatar", "aria-hidden": "true", text: initials || "?" });
  const [first] = name.split(/\s/);
  node.style.background = HUES[[...first].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % HUES.length];
  return node;
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** A scroller for messages: a reader who is at its end stays there, whatever comes or changes its size. */
export function makeLog() {
  const log = el("div", { class: "log", role: "log", tabindex: "0" });
  log.atEnd = true;
  log.before = 0;
  log.addEventListener("scroll", () => {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    if (near) log.atEnd = true;
    else if (log.scrollTop < log.before) log.atEnd = false; // up is what readers do; growing is not
    log.before = log.scrollTop;
  });
  new ResizeObserver(() => keepEnd(log)).observe(log);
  log.addEventListener("load", () => keepEnd(log), true); // of a picture
  return log;
}

export function keepEnd(log) {
  if (log.atEnd) log.scrollTop = log.scrollHeight;
}

export function toEnd(log) {
  log.atEnd = true;
  keepEnd(log);
}

/** Make the children of `list` be `wanted`: [[key, version, make]], remaking only those with another version. */
export function reconcile(list, wanted) {
  const present = new Map([...list.children].map((node) => [node._key, node]));
  let before = list.firstChild;
  for (const [key, version, make] of wanted) {
    let node = present.get(key);
    present.delete(key);
    if (!node || node._version !== version) {
      const made = make();
      made._key = key;
      made._version = version;
      if (node) {
        if (before === node) before = made;
        node.replaceWith(made);
      }
      node = made;
    }
    if (node === before) before = before.nextSibling;
    else list.insertBefore(node, before);
  }
  for (const node of present.values()) node.remove();
}
