// The open chat: its title, topics and messages.

import { byId, el } from "./dom.js";
import { messageNode } from "./message.js";
import { locale, t } from "./strings.js";
import { chat, messagesOf, on, openChat, tell, world } from "./world.js";

const FIRST = 60; // messages that are shown at first, and added with each step upwards
const NEAR = 120; // pixels from an end that count as being there

const log = byId("log");
const lines = byId("lines");
const down = byId("down");
let shownFrom = 0; // index of the first message that is shown
let actions;

export function start(handlers) {
  actions = { ...handlers, show };
  on("snapshot", open);
  on("opened", open);
  on("message", ({ message, isNew }) => take(message, isNew));
  on("deleted", ({ chat, id }) => chat === world.current && nodeOf(id)?.remove());
  on("action", (id) => id === world.current && showHead());
  on("chats", showHead);
  on("language", open);
  log.addEventListener("scroll", () => {
    follow = isAtEnd();
    down.hidden = follow;
    if (log.scrollTop < NEAR && shownFrom > 0) showEarlier();
  }, { passive: true });
  // A poster or a player that gets its size moves what is below it.
  const resized = new ResizeObserver(() => follow && toEnd());
  for (const node of [log, lines]) resized.observe(node);
  down.addEventListener("click", toEnd);
  byId("pinned").addEventListener("click", () => show(chat().pinned));
}

let follow = true;
const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;

function visible() {
  const all = [...messagesOf(world.current).values()];
  return world.topic === null ? all : all.filter((each) => each.thread === world.topic || each.id === world.topic);
}

function open() {
  if (!chat()) return;
  showHead();
  const messages = visible();
  shownFrom = Math.max(0, messages.length - FIRST);
  lines.replaceChildren(...withDays(messages.slice(shownFrom)));
  toEnd();
}

function showHead() {
  const current = chat();
  if (!current) return;
  byId("title").textContent = current.title;
  const kinds = { private: "private", supergroup: "group", channel: "channel" };
  const action = world.actions.get(current.id)?.action;
  const subtitle = byId("subtitle");
  subtitle.textContent = action ? `${world.bot.name} ${t(action.startsWith("upload") ? "uploading" : "typing")}` : t(kinds[current.type]);
  subtitle.classList.toggle("active", Boolean(action));
  const tabs = current.isForum ? [{ id: null, name: t("general") }, ...current.topics] : [];
  byId("topics").replaceChildren(
    ...tabs.map((topic) => el("button", { type: "button", "aria-pressed": String(topic.id === world.topic), onclick: () => openChat(current.id, topic.id) }, topic.name)),
  );
  const pinned = current.pinned && messagesOf(current.id).get(current.pinned);
  byId("pinned").hidden = !pinned;
  byId("pinned").textContent = pinned ? t("pinned", { text: pinned.text.split("\n")[0] }) : "";
}

function withDays(messages) {
  const nodes = [];
  let day = null;
  for (const message of messages) {
    const itsDay = new Date(message.date * 1000).toDateString();
    if (itsDay !== day) nodes.push(dayNode(message.date));
    day = itsDay;
    nodes.push(messageNode(message, actions));
  }
  return nodes;
}

function dayNode(seconds) {
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return el("div", { class: "day" }, isToday ? t("today") : date.toLocaleDateString(locale(), { day: "numeric", month: "long" }));
}

function showEarlier() {
  const messages = visible();
  const from = Math.max(0, shownFrom - FIRST);
  const height = log.scrollHeight;
  lines.querySelector(".day")?.remove();
  lines.prepend(...withDays(messages.slice(from, shownFrom)));
  shownFrom = from;
  log.scrollTop += log.scrollHeight - height;
}

function take(message, isNew) {
  if (message.chat !== world.current) return;
  if (world.topic !== null && message.thread !== world.topic) return;
  const former = nodeOf(message.id);
  const node = messageNode(message, actions, former);
  if (former) former.replaceWith(node);
  else if (isNew) lines.append(...(lines.childElementCount ? [] : [dayNode(message.date)]), node);
  if (follow || message.isMine) toEnd();
  else down.hidden = false;
  if (chat()?.pinned === message.id) showHead();
}

const nodeOf = (id) => lines.querySelector(`[data-id="${id}"]`);

function toEnd() {
  follow = true;
  log.scrollTop = log.scrollHeight;
  down.hidden = true;
}

function show(id) {
  while (!nodeOf(id) && shownFrom > 0) showEarlier();
  const node = nodeOf(id);
  if (!node) return;
  follow = false;
  node.scrollIntoView({ block: "center" });
  node.classList.add("found");
  setTimeout(() => node.classList.remove("found"), 1500);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && world.unread.delete(world.current)) tell("opened-again");
});
