// Inline markup of one line or paragraph, as each platform reads it. A dialect is a list of rules; a rule is a sticky
// pattern and what it makes. Whatever no rule takes is text.

import { el } from "./dom.js";

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&#39;": "'" };
const SAFE = /^(?:https?:\/\/|mailto:|tel:)/i;

export function unescaped(text) {
  return text.replace(/&(?:lt|gt|amp|quot|#39);/g, (entity) => ENTITIES[entity]);
}

/** A link that leaves this page without telling where it was; to anything but web, mail and phone it is text. */
export function link(url, ...label) {
  if (!SAFE.test(url)) return el("span", {}, ...label);
  return el("a", { href: url, rel: "noopener noreferrer nofollow", target: "_blank" }, ...label);
}

export function mention(label, mine = false) {
  return el("span", { class: mine ? "mention mine" : "mention", text: label });
}

const code = (match) => el("code", { text: match[2].replace(/^ (.*\S.*) $/s, "$1") });
const wrapped = (name) => (match, inner) => el(name, {}, ...inner(match[1]));

const CODE = [/(`+)(?!`)([\s\S]*?[^`])\1(?!`)/y, code];
const BOLD = [/\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)/y, wrapped("strong")];
const STAR = [/\*(?=[^\s*])((?:\*\*[^*]+\*\*|[^*])*?[^\s*]|\*\*[^*]+\*\*)\*(?!\*)/y, wrapped("em")];
const LOW = [/(?<![\w_])_(?=[^\s_])([\s\S]*?[^\s_])_(?![\w_])/y, wrapped("em")];
const STRIKE = [/~~(?=\S)([\s\S]*?\S)~~/y, wrapped("s")];
const LINK = [
  /\[((?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)\]\(\s*<?((?:[^()\s<>]|\([^()\s]*\))+)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y,
  (match, inner) => (SAFE.test(unescaped(match[2])) ? link(unescaped(match[2]), ...inner(match[1])) : match[0]),
];
const BARE = [/https?:\/\/[^\s<>]*[^\s<>.,:;!?"'\])}*_~]/y, (match) => link(match[0], match[0])];
const ANGLED = [/<((?:https?:\/\/|mailto:)[^\s<>]+)>/y, (match) => link(match[1], match[1])];
const ESCAPE = [/\\([!-/:-@[-`{-~])/y, (match) => match[1]];
const ENTITY = [/&(?:lt|gt|amp|quot|#39);/y, (match) => ENTITIES[match[0]]];
const BREAK = [/ *\n/y, () => el("br")];

/** names: {user(id), channel(id), me, bot}. The markdown of Slack's `markdown` block. */
export const slackMarkdown = [
  CODE, ESCAPE, ENTITY, BOLD, [/__(?=\S)([\s\S]*?\S)__(?!_)/y, wrapped("strong")], STAR, LOW, STRIKE, LINK, ANGLED, BARE,
  BREAK,
];

const slackReference = [
  /<([@#!])([^>|]+)(?:\|([^>]*))?>/y,
  (match, inner, names) => {
    const [, sign, id, label] = match;
    if (sign === "@") return mention(`@${names.user(id) ?? label ?? id}`, id === names.me);
    if (sign === "#") return mention(`#${names.channel(id) ?? label ?? id}`);
    return mention(`@${label || id.split("^")[0]}`, true);
  },
];
const slackLink = [
  /<((?:https?:\/\/|mailto:|tel:)[^>|]+)(?:\|([^>]*))?>/y,
  (match) => link(unescaped(match[1]), unescaped(match[2] ?? match[1])),
];

/** Slack's own `mrkdwn`: one star is bold, one tilde strikes, links stand in angle brackets. */
export const mrkdwn = [
  [/`([^`\n]+)`/y, (match) => el("code", { text: unescaped(match[1]) })],
  slackLink, slackReference, ENTITY,
  [/(?<![\w*])\*(?=[^\s\u200b])([^\n*]*[^\s*])\*(?![\w*])/y, wrapped("strong")],
  [/(?<![\w_])_(?=[^\s\u200b])([^\n_]*[^\s_])_(?![\w_])/y, wrapped("em")],
  [/(?<![\w~])~(?=[^\s\u200b])([^\n~]*[^\s~])~(?![\w~])/y, wrapped("s")],
  BREAK,
];

export const discordMarkdown = [
  CODE, ESCAPE,
  [/<@!?(\d+)>/y, (match, inner, names) => mention(`@${names.user(match[1]) ?? "unknown-user"}`, match[1] === names.me)],
  [/<#(\d+)>/y, (match, inner, names) => mention(`#${names.channel(match[1]) ?? "unknown"}`)],
  [/@(?:everyone|here)\b/y, (match, inner, names) => (names.everyone ? mention(match[0], true) : match[0])],
  BOLD, [/__(?=\S)([\s\S]*?\S)__(?!_)/y, wrapped("u")], STAR, LOW, STRIKE,
  [/\|\|([\s\S]+?)\|\|/y, (match, inner) => spoiler(inner(match[1]))],
  LINK, ANGLED, BARE, BREAK,
];

function spoiler(content) {
  const node = el("button", { type: "button", class: "spoiler", "aria-label": "Spoiler, press to read" }, ...content);
  node.addEventListener("click", () => node.classList.add("open"));
  return node;
}

const SPECIAL = /[`*_~[<\\&h@|\n ]/;

/** Read `text` by the rules of `dialect` into nodes and strings. */
export function inline(text, dialect, names, depth = 0) {
  const nodes = [];
  let plain = "";
  const inner = (part) => (depth < 12 ? inline(part, dialect, names, depth + 1) : [part]);
  for (let at = 0; at < text.length; ) {
    const made = SPECIAL.test(text[at]) ? first(text, at, dialect) : null;
    if (made === null) {
      plain += text[at++];
      continue;
    }
    const [match, build] = made;
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(build(match, inner, names));
    at += match[0].length;
  }
  if (plain) nodes.push(plain);
  return nodes;
}

function first(text, at, dialect) {
  for (const [pattern, build] of dialect) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) return [match, build];
  }
  return null;
}
