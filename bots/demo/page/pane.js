// What both platforms' panes share: the messages, who is looking, and when to draw again.

import { avatar, clock, el, icon, keepEnd, reconcile, toEnd } from "./dom.js";
import { editor, messageTools, policyPicker } from "./tools.js";
import { growing } from "./wire.js";

const TOGETHER_S = 300;

export class Pane {
  /** act(act) does something on the platform and gives a promise of whether it was done. */
  constructor(platform, act) {
    this.platform = platform;
    this.act = (what) => act({ platform, user: this.me, ...what });
    this.messages = new Map();
    this.unread = new Set();
    this.version = 0;
    this.drawing = false;
    this.people = [];
    this.me = null;
    this.editing = null;
    this.policies = policyPicker((policy) => this.act({ do: "policy", channel: this.busyPlace(), policy }));
    this.persons = el("select", { class: "persons", "aria-label": "You write as", title: "Write as somebody else",
      on: { change: () => this.become(this.persons.value) } });
  }

  load(snapshot) {
    const direct = this.isDirect(this.place);
    const handle = this.people.find((person) => person.id === this.me)?.handle;
    this.people = snapshot.people;
    this.bot = snapshot.bot;
    this.dms = snapshot.dms;
    this.channels = snapshot.channels;
    this.commands = snapshot.commands;
    this.me = (this.people.find((person) => person.handle === handle) ?? this.people[0]).id;
    this.messages.clear();
    for (const message of snapshot.messages) this.keep(message);
    this.persons.replaceChildren(...this.people.map((person) =>
      el("option", { value: person.id, selected: person.id === this.me,
        text: person.name + (person.admin ? " (admin)" : person.guest ? " (guest)" : "") })));
    if (direct) this.place = this.dms[this.me]; // after a restart of the demo all ids may be others
    else if (!this.knows(this.place)) this.place = this.channels[0].id;
    this.draw();
  }

  keep(message) {
    message.version = this.version += 1;
    this.messages.set(this.keyOf(message), message);
  }

  become(person) {
    const direct = this.isDirect(this.place);
    this.me = person;
    this.version += 1;
    if (direct) this.place = this.dms[person];
    this.unread.clear();
    for (const message of this.messages.values()) message.version = this.version; // mentions of me look different
    this.draw();
  }

  knows(place) {
    return this.placeName(place) !== undefined || this.isDirect(place);
  }

  isDirect(place) {
    return Object.values(this.dms ?? {}).includes(place);
  }

  /** Messages that I see, oldest first. */
  seen(filter) {
    return [...this.messages.values()]
      .filter((message) => (!message.only_for || message.only_for === this.me) && filter(message))
      .sort((one, other) => one.at - other.at || (one.id.length - other.id.length) || (one.id < other.id ? -1 : 1));
  }

  draw() {
    if (this.drawing) return;
    this.drawing = true;
    queueMicrotask(() => {
      this.drawing = false;
      this.render();
    });
  }

  person(id) {
    if (id === this.bot.id) return this.bot;
    return this.people.find((person) => person.id === id) ?? { id, name: id === "USLACKBOT" ? "Slackbot" : "Someone" };
  }

  placeName(id) {
    return this.channels.find((channel) => channel.id === id)?.name;
  }

  get names() {
    return {
      me: this.me,
      user: (id) => (id === this.bot.id ? this.bot.name : this.people.find((person) => person.id === id)?.name),
      channel: (id) => this.placeName(id),
    };
  }

  /** Fill a log with messages; `make` makes one, from its message and whether it follows one of the same author. */
  fill(log, messages, make, head = []) {
    let before = null;
    const wanted = messages.map((message) => {
      const follows = before !== null && before.user === message.user && message.at - before.at < TOGETHER_S
        && !before.only_for === !message.only_for && this.mayFollow(message, before);
      before = message;
      return [message.id, `${message.version} ${follows}`, () => make(message, follows)];
    });
    reconcile(log, [...head, ...wanted]);
    keepEnd(log);
  }

  mayFollow() {
    return true;
  }

  /** The channel whose busy policy holds where I am; a direct message has none to choose. */
  busyPlace() {
    return this.place;
  }

  drawPolicy() {
    this.policies.show(this.channels.find((channel) => channel.id === this.busyPlace())?.policy);
  }

  takePolicy(change) {
    const channel = this.channels.find((one) => one.id === change.channel);
    if (channel) channel.policy = change.policy;
  }

  keyOf(message) {
    return `${message.channel} ${message.id}`;
  }

  edit(message) {
    this.editing = message ? this.keyOf(message) : null;
    for (const one of this.messages.values()) one.version = this.version += 1;
    this.draw();
  }

  tools(message, running) {
    if (message.only_for) return null;
    const mine = message.user === this.me;
    const act = (what) => this.act({ channel: message.channel, message: message.id, ...what });
    return messageTools({
      stop: (running || mine) && (() => act({ do: "react" })),
      edit: mine && (() => this.edit(message)),
      remove: mine && (() => act({ do: "delete" })),
    });
  }

  /** What is in the place of a message while I change it. */
  editor(message) {
    return editor(this.wordsOf(message), {
      cancel: () => this.edit(null),
      save: (text) => {
        this.edit(null);
        this.act({ do: "edit", channel: message.channel, message: message.id, text });
      },
    });
  }

  /** The frame of one message: face, name, time, and `parts` below. */
  frame(message, follows, shown, ...parts) {
    const author = this.person(message.user);
    const isBot = message.user === this.bot.id;
    const edited = message.wire.edited || message.wire.edited_timestamp;
    const running = growing(shown.buttons) || Boolean(message.streaming);
    const changing = this.editing === this.keyOf(message);
    const body = changing ? this.editor(message) : el("div", { class: "body" }, ...shown.body);
    if (edited && !running && !changing) {
      const last = body.lastElementChild?.tagName === "P" ? body.lastElementChild : body;
      last.append(el("span", { class: "edited", text: "(edited)" }));
    }
    const head = el("header", {}, el("span", { class: "name", text: author.name }),
      isBot ? el("span", { class: "badge", text: "APP" }) : null,
      el("time", { datetime: new Date(message.at * 1000).toISOString(), text: clock(message.at) }));
    const kinds = ["message", isBot && "from-bot", follows && "follows", running && "growing", message.only_for && "private"];
    return el("article", { class: kinds.filter(Boolean).join(" "), "data-message-id": message.id,
      "data-author": author.name, "aria-busy": running ? "true" : null },
    follows ? el("time", { class: "gutter", text: clock(message.at) }) : avatar(author.name, isBot),
    el("div", { class: "main" },
      message.only_for ? el("p", { class: "only" }, icon("eye"), el("span", { text: "Only visible to you" })) : null,
      follows ? el("span", { class: "hidden", text: author.name }) : head,
      body, this.buttons(message, shown.buttons), ...parts), changing ? null : this.tools(message, running));
  }

  buttons(message, buttons) {
    if (!buttons.length) return null;
    return el("div", { class: "buttons" }, ...buttons.map((button) =>
      el("button", { type: "button", class: `press ${button.label === "Stop" ? "stop" : ""} ${button.style ?? ""}`,
        text: button.label, title: button.title ?? null,
        on: { click: async (event) => {
          const pressed = event.currentTarget;
          pressed.disabled = true;
          await this.act({ do: "press", channel: message.channel, message: message.id, action: button.action,
            value: button.value });
          pressed.disabled = false;
        } } })));
  }

  reactions(list) {
    if (!list.length) return null;
    return el("div", { class: "reactions" }, ...list.map(([name, number]) => el("span", { text: `${name} ${number}` })));
  }

  /** A row of the sidebar. */
  row(place, label, props = {}) {
    const here = place === this.place;
    return el("button", { type: "button", class: `row ${here ? "here" : ""} ${this.unread.has(place) ? "unread" : ""}`,
      "aria-current": here ? "page" : null, "data-place": place, ...props,
      on: { click: () => this.enter(place) } }, ...label);
  }

  enter(place) {
    this.place = place;
    this.unread.delete(place);
    this.draw();
    queueMicrotask(() => toEnd(this.log));
  }
}

export function waiting(text) {
  return el("span", { class: "waiting" }, el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")),
    el("span", { text }));
}
