// Files below a message: pictures as each platform draws them, everything else as a card to save it by.

import { el, icon } from "./dom.js";

const UNITS = ["bytes", "KB", "MB", "GB"];

/** file: {id, name, size, picture}, picture being whether the bytes are one. named: whether a picture has its name above. */
export function fileNode(platform, file, named) {
  const href = `/files/${platform}/${encodeURIComponent(file.id)}`;
  return file.picture ? picture(href, file, named) : card(href, file);
}

function picture(href, file, named) {
  const image = el("img", { src: href, alt: file.name, loading: "lazy", decoding: "async" });
  return el("figure", { class: "picture" },
    named ? el("figcaption", {}, el("span", { text: file.name }), " ", saving(href, file, size(file.size))) : null,
    el("a", { href, target: "_blank", rel: "noopener noreferrer", title: `${file.name}, ${size(file.size)}` }, image));
}

function card(href, file) {
  return el("div", { class: "file" }, icon("file"),
    el("span", { class: "about" }, saving(href, file, file.name), el("small", { text: `${kind(file.name)}${size(file.size)}` })),
    el("a", { class: "save", href: `${href}?save`, download: file.name, "aria-label": `Save ${file.name}`, title: "Save" }, icon("save")));
}

function saving(href, file, text) {
  return el("a", { href: `${href}?save`, download: file.name, title: `Save ${file.name}`, text });
}

/** What its name says it is, which is for people to read and for nothing else. */
function kind(name) {
  const suffix = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1];
  return suffix ? `${suffix.toUpperCase()} · ` : "";
}

export function size(bytes) {
  let [number, unit] = [bytes, 0];
  for (; number >= 1000 && unit < UNITS.length - 1; unit += 1) number /= 1000;
  return `${unit && number < 10 ? number.toFixed(1) : Math.round(number)} ${UNITS[unit]}`;
}
