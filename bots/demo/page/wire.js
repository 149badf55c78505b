// From a message as it went over the wire to what a person sees of it.

import { blocks, codeBlock } from "./blocks.js";
import { el } from "./dom.js";
import { fileNode } from "./files.js";
import { discordMarkdown, inline, link, mention, mrkdwn, slackMarkdown, unescaped } from "./inline.js";

const MARKDOWN = { dialect: slackMarkdown, headings: 6, tables: true, lists: true, tasks: true, rules: true };
const MRKDWN = { dialect: mrkdwn, headings: 0, spaces: true, code: unescaped };
const DISCORD = { dialect: discordMarkdown, headings: 3, lists: true, subtext: true };
const LOADING = 1 << 7;

/** {body: nodes, buttons: [{label, action, style}]} of a Slack message. files: those that hang on it. */
export function readSlack(wire, names, files = []) {
  const shown = { body: [], buttons: [] };
  for (const block of wire.blocks ?? []) slackBlock(block, names, shown);
  if (!shown.body.length) shown.body = blocks(wire.text ?? "", MRKDWN, names);
  shown.body.push(...files.map((file) => fileNode("slack", file, true)));
  return shown;
}

function slackBlock(block, names, shown) {
  switch (block.type) {
    case "markdown":
      shown.body.push(...blocks(block.text, MARKDOWN, names));
      break;
    case "rich_text":
      shown.body.push(...block.elements.map((part) => richText(part, names)));
      break;
    case "section":
      if (block.text) shown.body.push(...textObject(block.text, names));
      for (const field of block.fields ?? []) shown.body.push(...textObject(field, names));
      slackElements([block.accessory], shown);
      break;
    case "header":
      shown.body.push(el("div", { class: "heading h2", role: "heading", "aria-level": 4, text: block.text.text }));
      break;
    case "divider":
      shown.body.push(el("hr"));
      break;
    case "context":
      shown.body.push(el("div", { class: "context" }, ...block.elements.flatMap((one) =>
        one.type === "image" ? [el("span", { text: one.alt_text })] : textObject(one, names))));
      break;
    case "actions":
    case "context_actions":
      slackElements(block.elements, shown);
      break;
    case "table":
      shown.body.push(slackTable(block, names));
      break;
    case "task_card":
      shown.body.push(taskCard(block));
      break;
    case "plan":
      shown.body.push(el("div", { class: "plan" }, el("strong", { text: block.title }), ...block.tasks.map(taskCard)));
      break;
    case "image":
      shown.body.push(el("p", { class: "absent", text: `🖼 ${block.alt_text}` })); // of a foreign server: never fetched
      break;
    default:
      shown.body.push(el("p", { class: "absent", text: `[${block.type}]` }));
  }
}

const TASK_SIGNS = { pending: "○", in_progress: "◔", complete: "✓", error: "✕" };

function taskCard(task) {
  return el("div", { class: `task ${task.status}` },
    el("span", { class: "sign", "aria-label": task.status.replace("_", " "), text: TASK_SIGNS[task.status] ?? "○" }),
    el("span", { text: task.title }));
}

function textObject(text, names) {
  return text.type === "mrkdwn" ? blocks(text.text, MRKDWN, names) : [el("p", { text: text.text })];
}

function slackElements(elements, shown) {
  for (const one of elements ?? []) {
    if (one?.type === "button") shown.buttons.push({ label: one.text.text, action: one.action_id, style: one.style });
    if (one?.type === "feedback_buttons") {
      for (const side of [one.positive_button, one.negative_button]) {
        shown.buttons.push({ label: side.text.text, action: one.action_id, value: side.value, title: side.accessibility_label });
      }
    }
  }
}

function richText(part, names) {
  const inside = (part.elements ?? []).map((one) => richElement(one, names));
  if (part.type === "rich_text_preformatted") return codeBlock(part.elements.map((one) => one.text ?? one.url).join(""));
  if (part.type === "rich_text_quote") return el("blockquote", {}, el("p", {}, ...inside));
  if (part.type === "rich_text_list") {
    return el(part.style === "ordered" ? "ol" : "ul", {}, ...inside.map((one) => el("li", {}, one)));
  }
  return el("p", { class: "typed" }, ...inside);
}

function richElement(one, names) {
  if (one.type.startsWith("rich_text_")) return richText(one, names);
  if (one.type === "user") return mention(`@${names.user(one.user_id) ?? one.user_id}`, one.user_id === names.me);
  if (one.type === "channel") return mention(`#${names.channel(one.channel_id) ?? one.channel_id}`);
  if (one.type === "broadcast") return mention(`@${one.range}`, true);
  if (one.type === "link") return link(one.url, one.text ?? one.url);
  const style = one.style ?? {};
  const name = style.code ? "code" : style.bold ? "strong" : style.italic ? "em" : style.strike ? "s" : "span";
  return el(name, { text: one.text ?? "" });
}

function slackTable({ rows, column_settings: columns = [] }, names) {
  const cell = (name, one, column) => el(name, { class: columns[column]?.align ?? "left" },
    ...(one.elements ?? []).flatMap((part) => (part.elements ?? []).map((inner) => richElement(inner, names))), one.text);
  const row = (name, cells) => el("tr", {}, ...cells.map((one, column) => cell(name, one, column)));
  const [head, ...others] = rows;
  const made = el("table", {}, el("thead", {}, row("th", head)), el("tbody", {}, ...others.map((one) => row("td", one))));
  return el("div", { class: "table", tabindex: "0" }, made);
}

/** The same of a Discord message; `loading` while the answer to a command is on its way. */
export function readDiscord(wire, names, files = []) {
  const own = { ...names, everyone: wire.mention_everyone };
  const body = blocks(wire.content ?? "", DISCORD, own);
  for (const embed of wire.embeds ?? []) {
    body.push(el("div", { class: "embed" }, el("strong", { text: embed.title ?? "" }),
      ...blocks(embed.description ?? "", DISCORD, own)));
  }
  body.push(...files.map((file) => fileNode("discord", file, false)));
  return { body, buttons: discordButtons(wire.components), loading: Boolean(wire.flags & LOADING) };
}

function discordButtons(components) {
  return (components ?? []).flatMap((one) =>
    one.type === 2 && one.custom_id && !one.disabled
      ? [{ label: one.label ?? one.emoji?.name ?? "…", action: one.custom_id, style: one.style === 4 ? "danger" : "" }]
      : discordButtons(one.components));
}

/** One line of a message, for a quotation above a reply. */
export function excerpt(text, dialect, names) {
  return inline((text ?? "").split("\n")[0].slice(0, 120), dialect, names);
}

/** Whether an answer is still being written: it can be stopped. */
export function growing(buttons) {
  return buttons.some((button) => button.label === "Stop");
}
