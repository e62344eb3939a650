// The list of chats.

import { byId, el, keepFocus } from "./dom.js";
import { clock, t } from "./strings.js";
import { chat, messagesOf, on, openChat, unreadIn, world } from "./world.js";

const list = byId("chats").querySelector("ul");

export function start(opened) {
  const draw = () => {
    const focus = keepFocus(list);
    list.replaceChildren(...world.chats.map((each) => row(each, opened)));
    focus(list);
    showUnread();
  };
  for (const name of ["snapshot", "chats", "opened", "opened-again", "language"]) on(name, draw);
  on("message", ({ message }) => update(message.chat, opened));
  on("deleted", ({ chat }) => update(chat, opened));
  on("action", (id) => update(id, opened));
  document.addEventListener("keydown", (event) => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    const index = world.chats.findIndex((each) => each.id === world.current) + (event.key === "ArrowDown" ? 1 : -1);
    openChat(world.chats[(index + world.chats.length) % world.chats.length].id);
  });
}

function update(id, opened) {
  const index = world.chats.findIndex((each) => each.id === id);
  if (index >= 0 && list.children[index]) {
    const focus = keepFocus(list.children[index]);
    const node = row(chat(id), opened);
    list.children[index].replaceWith(node);
    focus(node);
    showUnread();
  }
}

function showUnread() {
  const number = world.chats.reduce((sum, each) => sum + unreadIn(each.id), 0);
  byId("all-unread").replaceChildren(...(number ? [unreadMark(number)] : []));
  document.title = `${number ? `(${number}) ` : ""}Reelwatch ${t("demo")}`;
}

function row(each, opened) {
  const last = [...messagesOf(each.id).values()].findLast((message) => message.service === null);
  const action = world.actions.get(each.id)?.action;
  const line = action ? t(action.startsWith("upload") ? "uploading" : "typing") : last ? preview(last) : "";
  const open = () => {
    openChat(each.id);
    opened();
  };
  return el("li", {},
    el("button", { type: "button", "aria-current": each.id === world.current ? "true" : undefined, onclick: open },
      el("span", { class: `face face-${Math.abs(each.id) % 6}`, "aria-hidden": "true" }, [...each.title][0]),
      el("span", { class: "name" }, each.title),
      el("span", { class: "when" }, last ? clock(last.date) : ""),
      el("span", { class: `last${action ? " active" : ""}` }, line),
      unreadMark(unreadIn(each.id)),
    ),
  );
}

export function unreadMark(number) {
  return number ? el("span", { class: "unread", "aria-label": t("unread", { n: number }) }, String(number)) : null;
}

function preview(message) {
  const kind = message.attachment ? `${t(message.attachment.kind)} ` : "";
  return `${kind}${message.text}`.replace(/\s+/g, " ").slice(0, 80);
}
