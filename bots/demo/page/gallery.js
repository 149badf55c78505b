// The gallery: each piece of markdown beside what the platforms make of what they are sent for it.

import { el } from "./dom.js";
import { readDiscord, readSlack } from "./wire.js";

const NAMES = { me: "", user: (id) => id, channel: (id) => id };

const main = document.getElementById("cases");
const answer = await fetch("/gallery/cases");
const cases = await answer.json();
main.replaceChildren(...cases.map(drawn));

function drawn({ name, markdown, slack, discord }) {
  const [, number, words] = /^(\d*)-?(.*)$/.exec(name);
  return el("section", { class: "case", id: name },
    el("h2", {}, el("a", { href: `#${name}` }, `${number} ${words.replaceAll("-", " ").replace(/\b(cjk|html)\b/g, (word) => word.toUpperCase())}`)),
    column("Written", "source", [el("pre", {}, el("code", { text: markdown }))]),
    column("Slack", "slack", readSlack(slack, NAMES).body),
    column("Slack, in notifications and search", "slack", readSlack({ text: slack.text }, NAMES).body),
    column("Discord", "discord", readDiscord(discord, NAMES).body));
}

function column(label, kind, body) {
  return el("div", { class: `drawn ${kind}` }, el("h3", { text: label }), el("div", { class: "body" }, ...body));
}
