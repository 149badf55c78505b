// Composer: where a person writes. Enter sends, Shift+Enter begins a line; "@" and "/" open a menu.

import { el, icon } from "./dom.js";

let count = 0;

export class Composer {
  /** suggest(text before the caret) gives {from, options: [{insert, label, about}]} or null; send(text) true when taken. */
  constructor({ suggest, send }) {
    this.suggest = suggest;
    this.send = send;
    this.drafts = new Map();
    this.place = "";
    this.options = [];
    this.chosen = 0;
    const id = `menu-${(count += 1)}`;
    this.menu = el("ul", { class: "menu", id, role: "listbox", "aria-label": "Suggestions", hidden: true });
    this.input = el("textarea", {
      rows: 1, spellcheck: "false", autocomplete: "off", enterkeyhint: "send", role: "textbox", "aria-multiline": "true",
      "aria-autocomplete": "list", "aria-controls": id,
      on: { input: () => this.changed(), keydown: (event) => this.key(event), blur: () => this.close(),
        click: () => this.changed() },
    });
    this.button = el("button", { type: "button", class: "send", "aria-label": "Send", title: "Send (Enter)",
      on: { click: () => this.submit() } }, icon("send"));
    this.chips = el("div", { class: "chips" });
    const box = el("div", { class: "box" }, this.input, this.button);
    this.node = el("div", { class: "composer" }, this.chips, this.menu, box);
  }

  /** Write in another place: each keeps its own draft. */
  show(place, label, placeholder, chips) {
    if (place !== this.place) {
      this.drafts.set(this.place, this.input.value);
      this.place = place;
      this.input.value = this.drafts.get(place) ?? "";
      this.close();
    }
    this.input.setAttribute("aria-label", label);
    this.input.placeholder = placeholder;
    if (this.shownChips !== chips.join("\n")) {
      this.shownChips = chips.join("\n");
      this.chips.replaceChildren(el("span", { class: "lead", text: "Try" }), ...chips.map((text) =>
        el("button", { type: "button", class: "chip", text, on: { click: () => this.fill(text) } })));
    }
    this.sized();
  }

  fill(text) {
    this.input.value = text;
    this.input.focus();
    this.sized();
    this.close();
  }

  changed() {
    this.sized();
    const caret = this.input.selectionStart;
    const found = this.suggest(this.input.value.slice(0, caret));
    this.from = found?.from ?? 0;
    this.options = found?.options ?? [];
    this.chosen = 0;
    this.draw();
  }

  draw() {
    this.menu.hidden = this.options.length === 0;
    this.menu.replaceChildren(...this.options.map((option, at) =>
      el("li", { role: "option", id: `${this.menu.id}-${at}`, "aria-selected": at === this.chosen ? "true" : "false",
        on: { mousedown: (event) => { event.preventDefault(); this.pick(at); } } },
      el("strong", { text: option.label }), el("span", { text: option.about ?? "" }))));
    if (this.menu.hidden) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `${this.menu.id}-${this.chosen}`);
  }

  close() {
    this.options = [];
    this.draw();
  }

  picked(at) {
    const { value, selectionStart } = this.input;
    return value.slice(0, this.from) + this.options[at].insert + value.slice(selectionStart);
  }

  pick(at) {
    const after = this.from + this.options[at].insert.length;
    this.input.value = this.picked(at);
    this.input.setSelectionRange(after, after);
    this.input.focus();
    this.changed();
  }

  key(event) {
    if (event.isComposing) return;
    const open = !this.menu.hidden;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.chosen = (this.chosen + step + this.options.length) % this.options.length;
      this.draw();
    } else if (open && event.key === "Escape") {
      event.stopPropagation();
      this.close();
    } else if (open && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.pick(this.chosen);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      const changes = open && this.picked(this.chosen).trim().toLowerCase() !== this.input.value.trim().toLowerCase();
      if (changes) this.pick(this.chosen);
      else this.submit();
    }
  }

  submit() {
    const text = this.input.value.trim();
    if (!text || !this.send(text)) return;
    this.input.value = "";
    this.close();
    this.sized();
  }

  sized() {
    this.input.style.height = "auto";
    const wanted = this.input.scrollHeight; // 0 while it is not shown
    if (wanted) this.input.style.height = `${Math.min(wanted, 160)}px`;
    this.button.disabled = !this.input.value.trim();
  }
}

/** Offers for a name being written after "@": the bot first. */
export function mentionOffers(before, bot, people) {
  const match = /(?:^|\s)@(\w*)$/.exec(before);
  if (!match) return null;
  const begun = match[1].toLowerCase();
  const all = [{ handle: bot.name, about: "Answers in a thread" },
    ...people.map((person) => ({ handle: person.handle, about: person.name }))];
  const options = all.filter((one) => one.handle.toLowerCase().startsWith(begun))
    .map((one) => ({ insert: `@${one.handle} `, label: `@${one.handle}`, about: one.about }));
  return { from: before.length - match[1].length - 1, options };
}
