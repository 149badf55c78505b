// Block markup: lines in, block elements out. `options` say what a platform knows:
//   dialect   the inline rules           headings  how many levels there are
//   tables    draw pipe tables           subtext   "-# small print"
//   lists     "- item" and "1. item"      rules     "---"
//   tasks     "- [x] item"
//   spaces    are kept at the start of lines
//   code      what happens to the text of fenced code, if anything

import { el } from "./dom.js";
import { inline } from "./inline.js";

const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([^`\n]*)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const TASK = /^\[([ xX])\]\s/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}(?:>|&gt;) ?(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

export function blocks(text, options, names) {
  const lines = text.split("\n");
  const out = [];
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) out.push(el("p", { class: options.spaces && "typed" }, ...inline(paragraph.join("\n"), options.dialect, names)));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const found = fenced(lines, at, options) ?? quoted(lines, at, options, names) ?? table(lines, at, options, names)
      ?? (RULE.test(lines[at]) && options.rules ? [el("hr"), at + 1] : null)
      ?? heading(lines, at, options, names) ?? listed(lines, at, options, names);
    if (found) {
      flush();
      out.push(found[0]);
      at = found[1];
    } else {
      if (lines[at].trim()) paragraph.push(lines[at]);
      else flush();
      at += 1;
    }
  }
  flush();
  return out;
}

export function codeBlock(text, language = "") {
  const label = language.trim().split(/\s/)[0];
  return el("div", { class: "code" },
    label ? el("span", { class: "language", text: label }) : null,
    el("pre", { tabindex: "0" }, el("code", { text })));
}

function fenced(lines, at, options) {
  const open = FENCE.exec(lines[at]);
  if (!open) return null;
  let end = at + 1;
  while (end < lines.length) {
    const close = FENCE.exec(lines[end]);
    if (close && !close[3].trim() && close[2].startsWith(open[2])) break;
    end += 1;
  }
  const text = lines.slice(at + 1, end).join("\n");
  return [codeBlock(options.code ? options.code(text) : text, open[3]), end + 1];
}

function quoted(lines, at, options, names) {
  if (!QUOTE.test(lines[at])) return null;
  const inside = [];
  let end = at;
  for (let match; end < lines.length && (match = QUOTE.exec(lines[end])); end += 1) inside.push(match[1]);
  return [el("blockquote", {}, ...blocks(inside.join("\n"), options, names)), end];
}

function heading(lines, at, options, names) {
  if (options.subtext && lines[at].startsWith("-# ")) {
    return [el("small", { class: "subtext" }, ...inline(lines[at].slice(3), options.dialect, names)), at + 1];
  }
  const match = HEADING.exec(lines[at]);
  if (!match || match[1].length > options.headings) return null;
  const level = match[1].length;
  const node = el("div", { class: `heading h${level}`, role: "heading", "aria-level": level + 2 });
  node.append(...inline(match[2], options.dialect, names));
  return [node, at + 1];
}

function cells(line) {
  const inside = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inside.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));
}

function table(lines, at, options, names) {
  const rule = lines[at + 1];
  if (!options.tables || !lines[at].includes("|") || !rule || !rule.includes("-") || !TABLE_RULE.test(rule)) return null;
  const head = cells(lines[at]);
  const row = (name, line) => el("tr", {}, ...head.map((_, column) =>
    el(name, {}, ...inline(cells(line)[column] ?? "", options.dialect, names))));
  let end = at + 2;
  const rows = [];
  for (; end < lines.length && lines[end].includes("|") && lines[end].trim(); end += 1) rows.push(row("td", lines[end]));
  const made = el("table", {}, el("thead", {}, row("th", lines[at])), el("tbody", {}, ...rows));
  return [el("div", { class: "table", tabindex: "0" }, made), end];
}

/** One list with everything indented under its items, read again as blocks. */
function listed(lines, at, options, names) {
  const start = options.lists ? ITEM.exec(lines[at]) : null;
  if (!start) return null;
  const indent = start[1].length;
  const ordered = /\d/.test(start[2]);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const match = ITEM.exec(lines[end]);
    if (match && match[1].length <= indent + 1) {
      if (match[1].length < indent || /\d/.test(match[2]) !== ordered) break;
      items.push({ first: match[3], rest: [] });
    } else if (lines[end].trim() && /^\s{2,}/.test(lines[end]) && items.length) {
      items.at(-1).rest.push(lines[end]);
    } else if (!lines[end].trim() && continues(lines[end + 1], indent, ordered)) {
      items.at(-1).rest.push("");
    } else {
      break;
    }
    end += 1;
  }
  const made = items.map(({ first, rest }) =>
    el("li", {}, ...inline(options.tasks ? first.replace(TASK, box) : first, options.dialect, names), ...(rest.length ? blocks(dedented(rest), options, names) : [])));
  const list = el(ordered ? "ol" : "ul", {}, ...made);
  if (ordered) list.setAttribute("start", parseInt(start[2], 10));
  return [list, end];
}

function box(_, done) {
  return done === " " ? "☐ " : "☑ ";
}

function continues(line, indent, ordered) {
  if (line === undefined) return false;
  const match = ITEM.exec(line);
  if (match) return match[1].length > indent || (match[1].length === indent && /\d/.test(match[2]) === ordered);
  return /^\s{2,}\S/.test(line);
}

function dedented(lines) {
  const depth = Math.min(...lines.filter((line) => line.trim()).map((line) => /^\s*/.exec(line)[0].length));
  return lines.map((line) => line.slice(depth)).join("\n");
}
