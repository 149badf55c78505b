// The Slack-like pane: channels on the left, messages, and a thread panel on the right.

import { Composer, mentionOffers } from "./composer.js";
import { avatar, clock, el, icon, makeLog, toEnd } from "./dom.js";
import { Pane, waiting } from "./pane.js";
import { readSlack } from "./wire.js";

const CHIPS = ["@Parley hello", "@Parley write a long answer with code", "/parley usage"];
const DIRECT_CHIPS = ["hello", "what time is it in Tokyo?", "roll 2d20"];
const THREAD_CHIPS = ["what did I say first?", "my name is Ada", "write a long answer"];

export class SlackPane extends Pane {
  constructor(act) {
    super("slack", act);
    this.thread = null;
    this.statuses = new Map();
    this.working = new Set();
    this.log = makeLog();
    this.threadLog = makeLog();
    this.status = el("div", { class: "status", "aria-live": "polite" });
    this.title = el("h2");
    this.list = el("div", { class: "rows" });
    this.workspace = el("strong");
    this.composer = new Composer({ suggest: (text) => this.suggest(text), send: (text) => this.send(text, null) });
    this.reply = new Composer({ suggest: (text) => this.suggest(text), send: (text) => this.send(text, this.thread) });
    const close = el("button", { type: "button", class: "plain", "aria-label": "Close thread", title: "Close (Esc)",
      on: { click: () => this.openThread(null) } }, icon("close"));
    this.threadTitle = el("span", { class: "where" });
    this.aside = el("aside", { class: "thread", "aria-label": "Thread", hidden: true },
      el("header", { class: "title" }, el("h2", { text: "Thread" }), this.threadTitle, close),
      this.threadLog, this.status, this.reply.node);
    this.node = el("section", { class: "window slack", "data-platform": "slack", "aria-label": "Slack, emulated",
      on: { keydown: (event) => this.key(event) } },
    el("nav", { class: "side", "aria-label": "Channels in Slack" },
      el("div", { class: "workspace" }, this.workspace, el("span", { text: "a Slack of your own" })),
      this.list, el("label", { class: "who" }, el("span", { text: "You are" }), this.persons)),
    el("div", { class: "room" }, el("header", { class: "title" }, this.title, this.policies.node), this.log, this.composer.node),
    this.aside);
  }

  load(snapshot) {
    this.workspace.textContent = snapshot.workspace;
    this.statuses = new Map(snapshot.statuses.map((one) => [`${one.channel} ${one.thread}`, one.text]));
    this.working = new Set(snapshot.working.map((one) => `${one.channel} ${one.thread}`));
    super.load(snapshot);
  }

  apply(change) {
    if (change.type === "message") this.take(change.message);
    else if (change.type === "gone") this.messages.delete(`${change.channel} ${change.id}`);
    else if (change.type === "status") this.takeStatus(change);
    else if (change.type === "session") this.takeSession(change);
    else if (change.type === "policy") this.takePolicy(change);
    this.draw();
  }

  take(message) {
    const isNew = !this.messages.has(`${message.channel} ${message.id}`);
    this.keep(message);
    if (isNew && message.user === this.bot.id && message.thread) this.follow(message.channel, message.thread);
    if (isNew && message.user !== this.me && message.channel !== this.place) this.unread.add(message.channel);
  }

  takeSession(change) {
    const place = `${change.channel} ${change.thread}`;
    if (change.working) this.working.add(place);
    else this.working.delete(place);
  }

  takeStatus(change) {
    this.statuses.set(`${change.channel} ${change.thread}`, change.text);
    if (change.text) this.follow(change.channel, change.thread);
  }

  /** Open the thread in which my question is being answered, if I am looking on. */
  follow(channel, thread) {
    const root = this.messages.get(`${channel} ${thread}`);
    if (!root || channel !== this.place || this.thread === thread) return;
    const asked = root.user === this.me || (root.user === this.bot.id && root.wire.text?.startsWith(`<@${this.me}>`));
    if (asked) this.openThread(thread, false);
  }

  openThread(thread, focus = true) {
    this.thread = thread;
    this.draw();
    queueMicrotask(() => {
      toEnd(this.threadLog);
      if (focus && thread) this.reply.input.focus();
      if (!thread) this.composer.input.focus();
    });
  }

  enter(place) {
    if (place !== this.place) this.thread = null;
    super.enter(place);
  }

  become(person) {
    if (this.isDirect(this.place)) this.thread = null;
    super.become(person);
  }

  key(event) {
    if (event.key === "Escape" && this.thread) this.openThread(null);
  }

  suggest(before) {
    if (before.startsWith("/")) {
      const options = this.commands.map((one) => ({ insert: `${one.name} ${one.verb}${one.hint ? " " : ""}`,
        label: `${one.name} ${one.verb}`, about: one.hint ? `[${one.hint}]  ${one.about}` : one.about }));
      return { from: 0, options: options.filter((one) => one.insert.startsWith(before)) };
    }
    return mentionOffers(before, this.bot, this.people.filter((person) => person.id !== this.me));
  }

  send(text, thread) {
    if (text.startsWith("/")) this.act({ do: "slash", channel: this.place, text, thread, inThread: Boolean(thread) });
    else this.act({ do: "say", channel: this.place, text, thread });
    toEnd(thread ? this.threadLog : this.log);
    return true;
  }

  /** As it was typed: names in the place of ids, and no escapes. */
  wordsOf(message) {
    const handle = (id) => (id === this.bot.id ? this.bot.name : this.people.find((one) => one.id === id)?.handle ?? id);
    return (message.wire.text ?? "").replace(/<@(\w+)>/g, (_, id) => `@${handle(id)}`)
      .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  }

  mayFollow(message, before) {
    return !message.wire.reply_count && !before.wire.reply_count;
  }

  message(message, follows, inThread) {
    const shown = readSlack(message.wire, this.names, message.files);
    const reactions = (message.wire.reactions ?? []).map((one) => [`:${one.name}:`, one.count]);
    return this.frame(message, follows, shown, this.reactions(reactions), inThread ? null : this.replies(message));
  }

  replies(message) {
    const number = message.wire.reply_count;
    if (!number) return null;
    const open = this.thread === message.id;
    return el("button", { type: "button", class: `replies ${open ? "open" : ""}`, "aria-expanded": String(open),
      on: { click: () => this.openThread(message.id) } },
    ...message.wire.reply_users.slice(0, 3).map((id) => avatar(this.person(id).name, id === this.bot.id)),
    el("strong", { text: number === 1 ? "1 reply" : `${number} replies` }),
    el("span", { text: `Last at ${clock(Number(message.wire.latest_reply))}` }));
  }

  render() {
    const direct = this.isDirect(this.place);
    const name = direct ? this.bot.name : this.placeName(this.place);
    const label = direct ? `Message ${name}` : `Message #${name}`;
    this.node.dataset.channel = name;
    this.title.replaceChildren(direct ? avatar(name, true) : icon("hash"), el("span", { text: name }));
    this.drawRows();
    this.drawPolicy();
    this.log.setAttribute("aria-label", direct ? `Direct messages with ${name}` : `Messages in #${name}`);
    const all = this.seen((message) => message.channel === this.place);
    const top = all.filter((message) => !message.thread || message.wire.subtype === "thread_broadcast");
    this.fill(this.log, top, (message, follows) => this.message(message, follows, false),
      [["intro", `${this.place} ${this.me}`, () => this.intro(direct, name)]]);
    this.composer.show(this.place, label, label, direct ? DIRECT_CHIPS : CHIPS);
    this.drawThread(all, name, direct);
  }

  drawThread(all, name, direct) {
    const root = all.find((message) => message.id === this.thread);
    if (!root) this.thread = null;
    this.aside.hidden = !root;
    this.node.classList.toggle("with-thread", Boolean(root));
    if (!root) return;
    const inside = all.filter((message) => message.id === root.id || message.thread === root.id);
    this.threadTitle.textContent = direct ? name : `#${name}`;
    this.threadLog.setAttribute("aria-label", "Messages in the thread");
    this.fill(this.threadLog, inside, (message, follows) => this.message(message, follows, true));
    const status = this.statuses.get(`${this.place} ${root.id}`);
    const working = this.working.has(`${this.place} ${root.id}`);
    this.status.replaceChildren(...(status || working ? [waiting(`${this.bot.name} ${status || "is at work…"}`)] : []),
      ...(working ? [this.stopButton(root.id)] : []));
    this.reply.show(`${this.place} ${root.id}`, "Reply in thread", "Reply…", THREAD_CHIPS);
  }

  /** Slack's own, shown while an agent streams. */
  stopButton(thread) {
    return el("button", { type: "button", class: "press stop native", text: "Stop",
      on: { click: () => this.act({ do: "stop", channel: this.place, thread }) } });
  }

  drawRows() {
    const row = (channel) => this.row(channel.id, [icon("hash"), el("span", { text: channel.name })],
      { "data-channel": channel.name });
    const mine = this.dms[this.me];
    const direct = this.row(mine, [avatar(this.bot.name, true), el("span", { text: this.bot.name }),
      el("span", { class: "badge", text: "APP" })], { "data-channel": "parley", "data-direct": "true" });
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.place : null;
    this.list.replaceChildren(el("h3", { text: "Channels" }), ...this.channels.map(row),
      el("h3", { text: "Direct messages" }), direct);
    if (focused) this.list.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
  }

  intro(direct, name) {
    const try_ = direct ? "Just write; no mention is needed here." : "Mention @Parley, and it answers in a thread.";
    return el("div", { class: "intro" }, direct ? avatar(name, true) : el("span", { class: "sign", text: "#" }),
      el("strong", { text: direct ? `Your messages with ${name}` : `This is the beginning of #${name}` }), el("p", { text: try_ }));
  }
}
