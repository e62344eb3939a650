// The line to type into: the bot's menu, replies, who sends.

import { byId, el } from "./dom.js";
import { t } from "./strings.js";
import { chat, on, perform, world } from "./world.js";

const input = byId("input");
const menu = byId("menu");
const people = byId("as").querySelector("select");
const replying = byId("replying");
const drafts = new Map(); // by chat
let replyTo = null;
let open = null; // chat whose draft is in the field
let marked = -1; // index in the menu

export const person = () => (people.value ? Number(people.value) : chat().people[0]?.id);

export function start() {
  on("snapshot", show);
  on("opened", show);
  on("language", show);
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send(input.value);
  });
  input.addEventListener("input", () => {
    grow();
    suggest();
  });
  input.addEventListener("keydown", onKey);
  // Not when the menu's button has taken the focus for a moment.
  input.addEventListener("blur", () => setTimeout(() => document.activeElement === input || closeMenu(), 150));
  byId("menu-button").addEventListener("click", () => {
    if (!menu.hidden) return closeMenu();
    fill(chat().commands);
    input.focus(); // which takes the arrow keys
  });
  replying.querySelector("button").addEventListener("click", cancelReply);
}

export function reply(message) {
  replyTo = message;
  replying.hidden = false;
  replying.querySelector("p").textContent = `${t("replyTo", { name: message.from })}: ${message.text.split("\n")[0]}`;
  input.focus();
}

export function write(text) {
  input.value = text;
  grow();
  closeMenu();
  input.focus();
}

export async function send(text) {
  if (!text.trim()) return;
  const current = chat();
  const sender = person();
  const sent = await perform("send", {
    chat: current.id,
    text,
    thread: world.topic ?? undefined,
    replyTo: replyTo?.chat === current.id ? replyTo.id : undefined,
    ...(sender === undefined ? {} : { user: sender }),
  });
  if (sent && text === input.value) write("");
  if (sent) cancelReply();
}

function cancelReply() {
  replyTo = null;
  replying.hidden = true;
}

function show() {
  const current = chat();
  if (!current) return;
  if (open !== null) drafts.set(open, input.value);
  if (open !== current.id) {
    input.value = drafts.get(current.id) ?? "";
    cancelReply();
    people.replaceChildren(...current.people.map((each) => el("option", { value: String(each.id) }, each.name)));
  }
  open = current.id;
  byId("as").hidden = current.people.length < 2;
  grow();
  closeMenu();
}

function grow() {
  input.style.height = "auto";
  if (input.value) input.style.height = `${Math.min(input.scrollHeight, 160)}px`;
}

function suggest() {
  const typed = /^\/(\w*)$/.exec(input.value);
  const found = typed ? chat().commands.filter((each) => each.command.startsWith(typed[1].toLowerCase())) : [];
  if (found.length) fill(found);
  else closeMenu();
}

function fill(commands) {
  if (!commands.length) return;
  menu.replaceChildren(
    ...commands.map((each, index) =>
      el("li", { id: `command-${index}`, role: "option", "aria-selected": "false", onclick: () => choose(each.command) }, el("strong", {}, `/${each.command}`), el("span", {}, each.description))),
  );
  menu.hidden = false;
  byId("menu-button").setAttribute("aria-expanded", "true");
  mark(0);
}

function closeMenu() {
  menu.hidden = true;
  marked = -1;
  input.removeAttribute("aria-activedescendant");
  byId("menu-button").setAttribute("aria-expanded", "false");
}

function mark(index) {
  const items = [...menu.children];
  marked = (index + items.length) % items.length;
  items.forEach((item, each) => item.setAttribute("aria-selected", String(each === marked)));
  items[marked].scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", items[marked].id);
}

const choose = (command) => write(`/${command} `);

function onKey(event) {
  if (event.isComposing) return; // the keys belong to an input method, as for Chinese
  if (!menu.hidden && ["ArrowDown", "ArrowUp", "Tab", "Enter", "Escape"].includes(event.key) && !event.shiftKey) {
    const typed = input.value.trim();
    const item = menu.children[marked];
    const isWhole = item.querySelector("strong").textContent === typed;
    if (event.key === "Enter" && isWhole) {
      event.preventDefault();
      closeMenu();
      send(input.value);
      return;
    }
    event.preventDefault();
    if (event.key === "Escape") closeMenu();
    else if (event.key === "ArrowDown") mark(marked + 1);
    else if (event.key === "ArrowUp") mark(marked - 1);
    else choose(item.querySelector("strong").textContent.slice(1));
  } else if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    send(input.value);
  } else if (event.key === "Escape") {
    cancelReply();
  }
}
