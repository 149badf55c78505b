// The page: two panes, the strip above them, and the connection that feeds all of it.

import { Connection } from "./connection.js";
import { DiscordPane } from "./discord.js";
import { el } from "./dom.js";
import { SlackPane } from "./slack.js";

const TOAST_MS = 7000;
const HINT = "parley-demo-hint";

const stage = document.getElementById("stage");
const toasts = document.getElementById("toasts");
const byId = (id) => document.getElementById(id);

const panes = { slack: new SlackPane(act), discord: new DiscordPane(act) };
stage.replaceChildren(panes.slack.node, panes.discord.node);

const connection = new Connection(heard, (state) => {
  document.body.classList.toggle("lost", state === "lost");
  byId("connection").hidden = state === "open";
});

async function act(what) {
  if (what.do === "slash" && what.inThread) {
    toast("/parley is not supported in threads. Sorry! Mention @Parley here instead.", "wrong");
    return false;
  }
  if (what.do === "say") dismissHint();
  const done = await connection.act(what);
  if (done.text) toast(done.text, done.ok ? "fine" : "wrong");
  return done.ok;
}

function heard(change) {
  if (change.type === "snapshot") {
    showModel(change.model);
    for (const [platform, pane] of Object.entries(panes)) {
      pane.load(change[platform]);
      showCounts(platform, change[platform].counts);
    }
  } else if (change.type === "counts") {
    showCounts(change.platform, change.counts);
  } else {
    panes[change.platform].apply(change);
  }
}

function showModel(model) {
  byId("model").textContent = model.demo ? "demo (built in)" : model.name;
  byId("model").title = model.line;
}

function showCounts(platform, counts) {
  const strip = byId(`counts-${platform}`);
  strip.querySelector(".edits").textContent = counts.edits;
  strip.querySelector(".limited").textContent = counts.limited;
  strip.classList.toggle("off", !counts.connected);
  strip.title = counts.connected ? "Parley is connected" : "Parley is reconnecting";
}

function toast(text, kind) {
  const node = el("div", { class: `toast ${kind}`, role: kind === "wrong" ? "alert" : "status", text });
  toasts.append(node);
  while (toasts.children.length > 3) toasts.firstChild.remove();
  setTimeout(() => node.remove(), TOAST_MS);
}

// -- tabs, for narrow screens

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => showTab(tab.dataset.tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tab.dataset.tab === "slack" ? "discord" : "slack";
    showTab(other);
    byId(`tab-${other}`).focus();
  });
}

function showTab(platform) {
  stage.dataset.tab = platform;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.tab === platform;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
}

// -- break it

const menu = byId("break-menu");
const opener = byId("break");

opener.addEventListener("click", () => showMenu(menu.hidden));
menu.addEventListener("click", (event) => {
  const item = event.target.closest("[data-what]");
  if (!item) return;
  showMenu(false);
  connection.act({ platform: item.dataset.on, do: "break", what: item.dataset.what })
    .then((done) => done.text && toast(done.text, done.ok ? "fine" : "wrong"));
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".breaking")) showMenu(false);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !menu.hidden) {
    showMenu(false);
    opener.focus();
  }
});

function showMenu(open) {
  menu.hidden = !open;
  opener.setAttribute("aria-expanded", String(open));
  if (open) menu.querySelector("button").focus();
}

// -- the first visit

function seenHint() {
  try {
    return localStorage.getItem(HINT) !== null;
  } catch {
    return false;
  }
}

function dismissHint() {
  byId("hint").hidden = true;
  try {
    localStorage.setItem(HINT, "seen");
  } catch {
    // without storage it is shown again next time
  }
}

byId("hint").hidden = seenHint();
byId("hint-close").addEventListener("click", dismissHint);
