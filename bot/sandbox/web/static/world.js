// What is known of the sandbox, and who is told when it changes.

import { byId } from "./dom.js";
import { language, refusal, t } from "./strings.js";

const MOST_MESSAGES = 500; // of a chat that are kept
const MOST_TASKS = 30; // that are kept, the newest
const SLICE_MS = 8; // of work on events at a time
const AGAIN_MS = 3000; // after which a connection that was refused is tried again

let run = null; // of the demo that the page shows
let source = null; // of events; null while the page is hidden

export const world = {
  bot: { name: "", username: "" },
  chats: [],
  messages: new Map(), // by chat: a Map of messages by id
  tasks: new Map(), // by id, oldest first
  switches: {},
  mind: {},
  actions: new Map(), // by chat: what the bot shows that it does
  unread: new Map(), // by chat: a Map of numbers by topic, null of what is in none
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

// A page that is hidden has no connection, since browsers open only six to a server for all pages together.
export function connect() {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) disconnect();
    else listen();
    if (!document.hidden) see();
  });
  if (!document.hidden) listen();
}

function disconnect() {
  source?.close();
  source = null;
}

function listen() {
  if (source) return;
  const opened = new EventSource("/events");
  source = opened;
  const heard = (name, handle) => opened.addEventListener(name, (event) => soon(() => handle(JSON.parse(event.data))));
  opened.onopen = () => (byId("link").textContent = "");
  opened.onerror = () => {
    byId("link").textContent = t("lost");
    if (opened.readyState === EventSource.CLOSED) setTimeout(() => again(opened), AGAIN_MS);
  };
  heard("snapshot", (snapshot) => (snapshot.run === run ? catchUp(snapshot) : takeSnapshot(snapshot)));
  heard("chats", takeChats);
  heard("message", takeMessage);
  heard("deleted", ({ chat, id }) => removeMessage(chat, id));
  heard("action", ({ chat, action }) => {
    clearTimeout(world.actions.get(chat)?.timer);
    world.actions.set(chat, { action, timer: setTimeout(() => endAction(chat), 5500) });
    tell("action", chat);
  });
  heard("answered", (answer) => tell("answered", answer));
  heard("task", takeTask);
  heard("switches", takeSwitches);
  heard("mind", takeMind);
}

function again(refused) {
  if (source !== refused) return;
  source = null;
  listen();
}

function takeSnapshot(snapshot) {
  run = snapshot.run;
  Object.assign(world, { bot: snapshot.bot, chats: snapshot.chats, switches: snapshot.switches, mind: snapshot.mind });
  world.messages = new Map(snapshot.chats.map((each) => [each.id, new Map()]));
  for (const message of snapshot.messages) messagesOf(message.chat).set(message.id, message);
  world.tasks = new Map(snapshot.tasks.map((task) => [task.id, task]));
  world.unread.clear();
  if (!chat()) world.current = (snapshot.chats.find((each) => each.language.startsWith(language)) ?? snapshot.chats[0]).id;
  tell("snapshot");
}

// Takes what has changed while there was no connection; what is the same stays as it is shown, as a video that plays.
function catchUp(snapshot) {
  takeChats(snapshot.chats);
  takeSwitches(snapshot.switches);
  takeMind(snapshot.mind);
  for (const task of snapshot.tasks) takeTask(task);
  for (const { id } of snapshot.chats) {
    const present = new Map(snapshot.messages.filter((each) => each.chat === id).map((each) => [each.id, each]));
    const known = messagesOf(id);
    const oldest = known.keys().next().value ?? 0;
    for (const gone of [...known.keys()].filter((each) => !present.has(each))) soon(() => removeMessage(id, gone));
    for (const message of present.values()) if (message.id >= oldest) soon(() => isAsKnown(message) || takeMessage(message));
  }
}

function isAsKnown(message) {
  const known = messagesOf(message.chat).get(message.id);
  return JSON.stringify({ ...known, wasJustEdited: undefined }) === JSON.stringify(message);
}

function takeChats(chats) {
  world.chats = chats;
  tell("chats");
}

function takeSwitches(switches) {
  world.switches = switches;
  tell("switches");
}

function takeMind(mind) {
  world.mind = mind;
  tell("mind");
}

function takeTask(task) {
  world.tasks.set(task.id, task);
  keepNewest(world.tasks, MOST_TASKS);
  tell("task", task);
}

function removeMessage(chatId, id) {
  messagesOf(chatId).delete(id);
  tell("deleted", { chat: chatId, id });
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
  if (isNew && message.isBot && !isShown(message)) {
    const counts = world.unread.get(message.chat) ?? new Map();
    world.unread.set(message.chat, counts.set(message.thread, (counts.get(message.thread) ?? 0) + 1));
  }
  tell("message", { message, isNew });
}

function endAction(chatId) {
  clearTimeout(world.actions.get(chatId)?.timer);
  if (world.actions.delete(chatId)) tell("action", chatId);
}

const narrow = matchMedia("(max-width: 860px)"); // as in style.css; one part of the page is shown at a time
const isSeen = () => !document.hidden && (!narrow.matches || document.body.dataset.view === "conversation");
const isShown = ({ chat, thread }) => chat === world.current && (world.topic === null || world.topic === thread) && isSeen();

// What has become visible again is read.
export function see() {
  if (isSeen() && markRead()) tell("opened-again");
}

// How many of the bot's messages in a chat, or in a topic of it, have not been shown yet.
export function unreadIn(id, topic = null) {
  const counts = world.unread.get(id) ?? new Map();
  return topic === null ? [...counts.values()].reduce((sum, each) => sum + each, 0) : (counts.get(topic) ?? 0);
}

// What is shown is read; returns whether something was not.
function markRead() {
  if (world.topic === null) return world.unread.delete(world.current);
  return Boolean(world.unread.get(world.current)?.delete(world.topic));
}

export function openChat(id, topic = null) {
  world.current = id;
  world.topic = topic;
  markRead();
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
