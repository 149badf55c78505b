// What a person does to a message that is there already, and to a channel: edit, delete, stop, and the busy policy.

import { el, icon } from "./dom.js";

const POLICIES = {
  queue: "Queue: one answer after another",
  merge: "Merge: what waits gets one answer",
  interrupt: "Interrupt: a new question stops the answer",
  steer: "Steer: a new message joins the running answer",
  reject: "Reject: nothing new while I answer",
};

/** Chooses what becomes of messages that come while a thread is being answered; choose(policy) does it. */
export function policyPicker(choose) {
  const select = el("select", { "aria-label": "When a thread is busy", on: { change: () => choose(select.value) } },
    ...Object.entries(POLICIES).map(([value, text]) => el("option", { value, text })));
  const node = el("label", { class: "busy", title: "What becomes of messages that come while a thread is being answered" },
    el("span", { text: "When busy" }), select);
  return {
    node,
    show(policy) {
      node.hidden = policy === undefined;
      if (policy && select.value !== policy) select.value = policy;
    },
  };
}

/** The buttons that appear over a message under the pointer. */
export function messageTools({ edit, remove, stop }) {
  const tool = (label, name, run) => run && el("button", { type: "button", "aria-label": label, title: label, "data-tool": name,
    on: { click: run } }, name === "stop" ? el("span", { text: "🛑" }) : icon(name));
  const tools = [tool("Stop it with a reaction", "stop", stop), tool("Edit your message", "edit", edit),
    tool("Delete your message", "delete", remove)].filter(Boolean);
  return tools.length ? el("div", { class: "tools" }, ...tools) : null;
}

/** A message's words, being changed. */
export function editor(words, { save, cancel }) {
  const input = el("textarea", { "aria-label": "New words of your message", rows: "2", on: { keydown: (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      cancel();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (input.value.trim()) save(input.value.trim());
    }
  } } });
  input.value = words;
  queueMicrotask(() => {
    input.focus();
    input.setSelectionRange(words.length, words.length);
  });
  return el("div", { class: "editor" }, input, el("p", {},
    el("button", { type: "button", class: "save", text: "Save", on: { click: () => input.value.trim() && save(input.value.trim()) } }),
    el("button", { type: "button", text: "Cancel", on: { click: cancel } }),
    el("span", { text: "Enter saves, Esc cancels" })));
}
