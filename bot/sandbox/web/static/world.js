// What is known of the sandbox, and who is told when it changes.

import { byId } from "./dom.js";
import { refusal, t } from "./strings.js";

const MOST_MESSAGES = 500; // of a chat that are kept
const MOST_TASKS = 30; // that are kept, the newest
const SLICE_MS = 8; // of work on events at a time
const AGAIN_MS = 3000; // after which a connection that was refused is tried again

export const world = {
  bot: { name: "", username: "" },
  chats: [],
  messages: new Map(), // by chat: a Map of messages by id
  tasks: new Map(), // by id, oldest first
  switches: {},
  mind: {},
  actions: new Map(), // by chat: what the bot shows that it does
  unread: new Map(), // by chat
  current: null, // chat id
  topic: null, // thread id; null: all
};

const listeners = new Map();

export function on(name, listener) {
  listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

export function tell(name, value) {
  for (const listener of listeners.get(name) ?? []) listener(value);
}

export const chat = (id = world.current) => world.chats.find((each) => each.id === id);
export const messagesOf = (id) => world.messages.get(id) ?? new Map();

// Many events come at once; they are handled in order and in short tasks, between which the page reacts.
const waiting = [];
const turn = new MessageChannel(); // unlike a timeout not slowed down where the page is hidden
let isTurnDue = false;

function soon(work) {
  waiting.push(work);
  if (!isTurnDue) turn.port2.postMessage(null);
  isTurnDue = true;
}

turn.port1.onmessage = () => {
  const end = performance.now() + SLICE_MS;
  try {
    while (waiting.length && performance.now() < end) waiting.shift()();
  } finally {
    isTurnDue = waiting.length > 0;
    if (isTurnDue) turn.port2.postMessage(null);
  }
};

export function connect() {
  const source = new EventSource("/events");
  const heard = (name, handle) => source.addEventListener(name, (event) => soon(() => handle(JSON.parse(event.data))));
  source.onopen = () => (byId("link").textContent = "");
  source.onerror = () => {
    byId("link").textContent = t("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
  };
  heard("snapshot", takeSnapshot);
  heard("chats", (chats) => {
    world.chats = chats;
    tell("chats");
  });
  heard("message", takeMessage);
  heard("deleted", ({ chat, id }) => {
    messagesOf(chat).delete(id);
    tell("deleted", { chat, id });
  });
  heard("action", ({ chat, action }) => {
    clearTimeout(world.actions.get(chat)?.timer);
    world.actions.set(chat, { action, timer: setTimeout(() => endAction(chat), 5500) });
    tell("action", chat);
  });
  heard("answered", (answer) => tell("answered", answer));
  heard("task", (task) => {
    world.tasks.set(task.id, task);
    keepNewest(world.tasks, MOST_TASKS);
    tell("task", task);
  });
  heard("switches", (switches) => {
    world.switches = switches;
    tell("switches");
  });
  heard("mind", (mind) => {
    world.mind = mind;
    tell("mind");
  });
}

function takeSnapshot(snapshot) {
  Object.assign(world, { bot: snapshot.bot, chats: snapshot.chats, switches: snapshot.switches, mind: snapshot.mind });
  world.messages = new Map(snapshot.chats.map((each) => [each.id, new Map()]));
  for (const message of snapshot.messages) messagesOf(message.chat).set(message.id, message);
  world.tasks = new Map(snapshot.tasks.map((task) => [task.id, task]));
  if (!chat()) world.current = snapshot.chats[0].id;
  tell("snapshot");
}

// Removes all entries of a Map but those added last; returns the keys of those that are gone.
function keepNewest(entries, number) {
  const old = [...entries.keys()].slice(0, Math.max(0, entries.size - number));
  for (const key of old) entries.delete(key);
  return old;
}

function takeMessage(message) {
  const known = messagesOf(message.chat);
  const isNew = !known.has(message.id);
  known.set(message.id, { ...message, wasJustEdited: false }); // only shown once
  for (const id of keepNewest(known, MOST_MESSAGES)) tell("deleted", { chat: message.chat, id });
  if (message.isBot) endAction(message.chat);
  if (isNew && message.isBot && (message.chat !== world.current || document.hidden)) {
    world.unread.set(message.chat, (world.unread.get(message.chat) ?? 0) + 1);
  }
  tell("message", { message, isNew });
}

function endAction(chatId) {
  clearTimeout(world.actions.get(chatId)?.timer);
  if (world.actions.delete(chatId)) tell("action", chatId);
}

export function openChat(id, topic = null) {
  world.current = id;
  world.topic = topic;
  world.unread.delete(id);
  tell("opened");
}

// Does something in the sandbox; returns its answer, or null after it has shown why it was refused.
export async function perform(action, body) {
  try {
    const response = await fetch(`/do/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const result = await response.json();
    if (response.ok) return result;
    toast(refusal(result.error));
  } catch {
    toast(t("lost"));
  }
  return null;
}

let toastTimer;
export function toast(text) {
  byId("toast").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (byId("toast").textContent = ""), 3500);
}
