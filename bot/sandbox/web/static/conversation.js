// The open chat: its title, topics and messages.

import { unreadMark } from "./chats.js";
import { byId, el, keepFocus } from "./dom.js";
import { messageNode } from "./message.js";
import { locale, t } from "./strings.js";
import { chat, messagesOf, on, openChat, unreadIn, world } from "./world.js";

const FIRST = 30; // messages that are shown at first
const STEP = 15; // that are added with each step upwards
const MOST = 5 * FIRST; // that are shown while the end is in view
const NEAR = 120; // pixels from an end that count as being there

const log = byId("log");
const lines = byId("lines");
const down = byId("down");
let actions;

export function start(handlers) {
  actions = { ...handlers, show };
  on("snapshot", open);
  on("opened", open);
  on("message", ({ message, isNew }) => take(message, isNew));
  on("deleted", ({ chat, id }) => {
    const node = chat === world.current && nodeOf(id);
    if (!node) return;
    if (node.contains(document.activeElement)) log.focus({ preventScroll: true });
    node.remove();
  });
  on("action", (id) => {
    if (id !== world.current) return;
    showHead();
    if (world.actions.get(id)?.action.startsWith("upload")) announce(byId("subtitle").textContent);
  });
  for (const name of ["chats", "opened-again"]) on(name, showHead);
  on("language", open);
  log.addEventListener("scroll", () => {
    if (isEndDue) return;
    follow = isAtEnd();
    down.hidden = follow;
    if (log.scrollTop < NEAR) showEarlier();
  }, { passive: true });
  // A poster or a player that gets its size moves what is below it.
  const resized = new ResizeObserver(() => follow && toEndSoon());
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
  lines.replaceChildren(...withDays(messages.slice(-FIRST)));
  follow = true;
  toEndSoon();
}

// The messages above the first that is shown.
function earlier() {
  const first = Number(lines.querySelector("[data-id]")?.dataset.id);
  return visible().filter((each) => each.id < first);
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
  showTopics();
  const pinned = current.pinned && messagesOf(current.id).get(current.pinned);
  byId("pinned").hidden = !pinned;
  byId("pinned").textContent = pinned ? t("pinned", { text: pinned.text.split("\n")[0] }) : "";
}

function showTopics() {
  const current = chat();
  const tabs = current.isForum ? [{ id: null, name: t("general") }, ...current.topics] : [];
  const focus = keepFocus(byId("topics"));
  byId("topics").replaceChildren(
    ...tabs.map((topic) =>
      el("button", { type: "button", "aria-pressed": String(topic.id === world.topic), onclick: () => openChat(current.id, topic.id) }, topic.name, unreadMark(unreadIn(current.id, topic.id)))),
  );
  focus(byId("topics"));
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
  const messages = earlier().slice(-STEP);
  if (!messages.length) return false;
  const height = log.scrollHeight;
  lines.querySelector(".day")?.remove();
  lines.prepend(...withDays(messages));
  log.scrollTop += log.scrollHeight - height;
  return true;
}

function removeOldest() {
  if (lines.childElementCount <= MOST + FIRST) return;
  const number = lines.childElementCount - MOST;
  for (const node of [...lines.children].slice(0, number)) node.remove();
}

// For screen readers: what is new, but not each edit of a progress.
function announce(text) {
  byId("heard").textContent = text;
}

function take(message, isNew) {
  if (message.chat !== world.current) return;
  if (world.topic !== null && message.thread !== world.topic) {
    if (isNew) showTopics();
    return;
  }
  const former = nodeOf(message.id);
  const focus = former && keepFocus(former); // before the player moves
  const brings = message.attachment && !former?.querySelector(".media") ? `${t(message.attachment.kind)}: ` : "";
  const node = messageNode(message, actions, former);
  if (former) {
    former.replaceWith(node);
    focus(node);
  } else if (isNew) {
    lines.append(...(lines.childElementCount ? [] : [dayNode(message.date)]), node);
  }
  if (message.isBot && (isNew || brings)) announce(`${message.from}: ${brings}${message.text}`);
  if (message.isMine) follow = true;
  if (follow) toEndSoon();
  else down.hidden = false;
  if (chat()?.pinned === message.id) showHead();
}

const nodeOf = (id) => lines.querySelector(`[data-id="${id}"]`);

function toEnd() {
  follow = true;
  removeOldest();
  log.scrollTop = log.scrollHeight;
  down.hidden = true;
}

// Once a frame, however many messages come, as the page is laid out for it.
let isEndDue = false;
function toEndSoon() {
  if (isEndDue) return;
  isEndDue = true;
  requestAnimationFrame(() => {
    isEndDue = false;
    if (follow) toEnd();
  });
}

function show(id) {
  while (!nodeOf(id) && showEarlier());
  const node = nodeOf(id);
  if (!node) return;
  follow = false;
  node.scrollIntoView({ block: "center" });
  node.classList.add("found");
  setTimeout(() => node.classList.remove("found"), 1500);
}
