// The Discord-like pane: channels with their threads on the left, one place at a time on the right.

import { Composer, mentionOffers } from "./composer.js";
import { avatar, el, icon, makeLog, toEnd } from "./dom.js";
import { discordMarkdown } from "./inline.js";
import { Pane, waiting } from "./pane.js";
import { excerpt, readDiscord } from "./wire.js";

const CHIPS = ["@Parley hello", "/ask question: write a long answer with code", "/usage"];
const DIRECT_CHIPS = ["hello", "what time is it in Tokyo?", "roll 2d20"];
const THREAD_CHIPS = ["what did I say first?", "my name is Ada", "write a long answer"];
const TYPING_MS = 10_000;
const REPLY = 19;
const COMMAND = 2;
const THREAD_STARTER = 21;

export class DiscordPane extends Pane {
  constructor(act) {
    super("discord", act);
    this.threads = new Map();
    this.typing = new Map();
    this.log = makeLog();
    this.title = el("h2");
    this.list = el("div", { class: "rows" });
    this.guild = el("strong");
    this.status = el("div", { class: "status", "aria-live": "polite" });
    this.composer = new Composer({ suggest: (text) => this.suggest(text), send: (text) => this.send(text) });
    this.node = el("section", { class: "window discord", "data-platform": "discord", "aria-label": "Discord, emulated",
      on: { keydown: (event) => this.key(event) } },
    el("nav", { class: "side", "aria-label": "Channels in Discord" },
      el("div", { class: "workspace" }, this.guild, el("span", { text: "a Discord of your own" })),
      this.list, el("label", { class: "who" }, el("span", { text: "You are" }), this.persons)),
    el("div", { class: "room" }, el("header", { class: "title" }, this.title, this.policies.node), this.log, this.composer.node, this.status));
  }

  load(snapshot) {
    this.guild.textContent = snapshot.guild;
    this.threads = new Map(snapshot.threads.map((thread) => [thread.id, thread]));
    this.typing = new Map();
    snapshot.typing.forEach((place) => this.types(place));
    super.load(snapshot);
  }

  apply(change) {
    if (change.type === "message") this.take(change.message);
    else if (change.type === "gone") this.messages.delete(`${change.channel} ${change.id}`);
    else if (change.type === "thread") this.takeThread(change.thread);
    else if (change.type === "thread-gone") this.threads.delete(change.id);
    else if (change.type === "typing") this.types(change.channel);
    else if (change.type === "commands") this.commands = change.commands;
    else if (change.type === "policy") this.takePolicy(change);
    this.draw();
  }

  take(message) {
    const isNew = !this.messages.has(`${message.channel} ${message.id}`);
    this.keep(message);
    if (!isNew || message.user === this.me) return;
    if (message.user === this.bot.id) this.typing.delete(message.channel);
    if (message.channel !== this.place) this.unread.add(message.channel);
  }

  /** Keep a thread; a new one for my own message is opened, if I am looking at its channel. */
  takeThread(thread) {
    const isNew = !this.threads.has(thread.id);
    this.threads.set(thread.id, thread);
    const starter = this.messages.get(`${thread.parent} ${thread.id}`);
    if (isNew && starter?.user === this.me && this.place === thread.parent) this.enter(thread.id);
  }

  types(place) {
    const until = Date.now() + TYPING_MS;
    this.typing.set(place, until);
    setTimeout(() => {
      if (this.typing.get(place) === until) this.typing.delete(place);
      this.draw();
    }, TYPING_MS);
  }

  knows(place) {
    return super.knows(place) || this.threads.has(place);
  }

  key(event) {
    const thread = this.threads.get(this.place);
    if (event.key === "Escape" && thread) {
      this.enter(thread.parent);
      this.composer.input.focus();
    }
  }

  suggest(before) {
    if (before.startsWith("/")) {
      const options = this.commands.map((one) => {
        const given = (one.options ?? [])[0];
        return { insert: `/${one.name}${given ? ` ${given.name}: ` : ""}`, label: `/${one.name}`,
          about: given ? `[${given.name}]  ${one.description}` : one.description };
      });
      return { from: 0, options: options.filter((one) => one.insert.startsWith(before)) };
    }
    return mentionOffers(before, this.bot, this.people.filter((person) => person.id !== this.me));
  }

  /** Send a message, or, where it begins with the name of a command, use that. */
  send(text) {
    const [, name, rest] = /^\/([\w-]+)\s*([\s\S]*)$/.exec(text) ?? [];
    const command = this.commands.find((one) => one.name === name);
    if (command) this.act({ do: "slash", channel: this.place, name, options: options(command, rest) });
    else this.act({ do: "say", channel: this.place, text });
    toEnd(this.log);
    return true;
  }

  /** A thread is treated as its channel is. */
  busyPlace() {
    return this.threads.get(this.place)?.parent ?? this.place;
  }

  /** As it was typed: names in the place of ids. */
  wordsOf(message) {
    const handle = (id) => (id === this.bot.id ? this.bot.name : this.people.find((one) => one.id === id)?.handle ?? id);
    return (message.wire.content ?? "").replace(/<@!?(\d+)>/g, (_, id) => `@${handle(id)}`);
  }

  mayFollow(message) {
    return !message.wire.interaction_metadata && message.wire.type !== REPLY;
  }

  message(message, follows) {
    let { wire } = message;
    if (wire.type === THREAD_STARTER && wire.referenced_message) wire = wire.referenced_message;
    const shown = readDiscord(wire, this.names, message.files);
    if (shown.loading) shown.body = [waiting(`${this.bot.name} is thinking…`)];
    const reactions = (wire.reactions ?? []).map((one) => [one.emoji.name, one.count]);
    const node = this.frame({ ...message, wire }, follows, shown, this.reactions(reactions), this.threadCard(message));
    const above = this.above(wire, message.command);
    if (above) {
      node.classList.add("with-above");
      node.prepend(above);
    }
    return node;
  }

  above(wire, command) {
    const used = wire.interaction_metadata;
    if (used?.type === COMMAND) { // pressing a button is nothing that is told
      return el("p", { class: "above" }, icon("branch"), avatar(this.person(used.user.id).name),
        el("strong", { text: this.person(used.user.id).name }), el("span", { text: ` used /${command ?? "a command"}` }));
    }
    const replied = wire.type === REPLY && wire.referenced_message;
    if (!replied) return null;
    const author = this.person(replied.author.id);
    return el("p", { class: "above" }, icon("branch"), avatar(author.name, author.id === this.bot.id),
      el("strong", { text: author.name }), el("span", {}, ...excerpt(replied.content, discordMarkdown, this.names)));
  }

  threadCard(message) {
    const thread = this.threads.get(message.id);
    if (!thread || message.channel !== thread.parent) return null;
    const number = this.seen((one) => one.channel === thread.id && one.wire.type !== THREAD_STARTER).length;
    return el("button", { type: "button", class: "thread-card", on: { click: () => this.enter(thread.id) } },
      el("strong", { text: thread.name }),
      el("span", { class: "count", text: number === 1 ? "1 Message ›" : `${number} Messages ›` }));
  }

  render() {
    const thread = this.threads.get(this.place);
    const direct = this.isDirect(this.place);
    const name = thread?.name ?? (direct ? this.bot.name : this.placeName(this.place));
    this.node.dataset.channel = name;
    this.node.classList.toggle("in-thread", Boolean(thread));
    this.drawTitle(thread, direct, name);
    this.drawRows();
    this.drawPolicy();
    const label = thread ? `Message "${name}"` : direct ? `Message @${name}` : `Message #${name}`;
    this.log.setAttribute("aria-label", direct ? `Direct messages with ${name}` : `Messages in ${name}`);
    const messages = this.seen((message) => message.channel === this.place);
    this.fill(this.log, messages, (message, follows) => this.message(message, follows),
      [["intro", `${this.place} ${this.me} ${name}`, () => this.intro(thread, direct, name)]]);
    this.status.replaceChildren(...(this.typing.has(this.place) ? [waiting(`${this.bot.name} is typing…`)] : []));
    this.composer.show(this.place, label, label, thread ? THREAD_CHIPS : direct ? DIRECT_CHIPS : CHIPS);
  }

  drawTitle(thread, direct, name) {
    if (!thread) {
      this.title.replaceChildren(direct ? avatar(name, true) : icon("hash"), el("span", { text: name }));
      return;
    }
    const back = el("button", { type: "button", class: "plain crumb", title: "Back to the channel (Esc)",
      on: { click: () => this.enter(thread.parent) } }, icon("hash"), el("span", { text: this.placeName(thread.parent) }));
    this.title.replaceChildren(back, el("span", { class: "sep", text: "›" }), icon("thread"), el("span", { text: name }));
  }

  drawRows() {
    const rows = this.channels.flatMap((channel) => [
      this.row(channel.id, [icon("hash"), el("span", { text: channel.name })], { "data-channel": channel.name }),
      ...[...this.threads.values()].filter((thread) => thread.parent === channel.id && !thread.archived).map((thread) =>
        this.row(thread.id, [icon("thread"), el("span", { text: thread.name })],
          { "data-channel": thread.name, "data-thread": thread.id, title: thread.name })),
    ]);
    const direct = this.row(this.dms[this.me], [avatar(this.bot.name, true), el("span", { text: this.bot.name }),
      el("span", { class: "badge", text: "APP" })], { "data-channel": "parley", "data-direct": "true" });
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.place : null;
    this.list.replaceChildren(el("h3", { text: "Text channels" }), ...rows, el("h3", { text: "Direct messages" }), direct);
    for (const row of this.list.querySelectorAll("[data-thread]")) row.classList.add("sub");
    if (focused) this.list.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
  }

  intro(thread, direct, name) {
    if (thread) return el("div", { class: "intro" }, el("span", { class: "sign" }, icon("thread")), el("strong", { text: name }));
    const try_ = direct ? "Just write; no mention is needed here." : "Mention @Parley, and it opens a thread to answer in.";
    return el("div", { class: "intro" }, direct ? avatar(name, true) : el("span", { class: "sign", text: "#" }),
      el("strong", { text: direct ? name : `Welcome to #${name}!` }), el("p", { text: try_ }));
  }
}

/** What was typed after a command's name, as its options: "question: why?", or just "why?" for the first one. */
function options(command, rest) {
  const first = (command.options ?? [])[0];
  const value = first && rest.startsWith(`${first.name}:`) ? rest.slice(first.name.length + 1) : rest;
  return first && value.trim() ? { [first.name]: value.trim() } : {};
}
