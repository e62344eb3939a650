// One message: bubble, quotation of what it replies to, media, text and buttons.

import { copy } from "./clipboard.js";
import { el } from "./dom.js";
import { render } from "./entities.js";
import { clock, duration, size, t } from "./strings.js";
import { chat, perform } from "./world.js";

// actions: { reply(message), show(id), command(text), person(): id of who acts }
export function messageNode(message, actions, former = null) {
  if (message.service !== null) {
    const text = message.service === "…" ? t("event") : t("topicOpened", { name: message.service });
    return el("div", { class: "service", "data-id": message.id }, text);
  }
  const node = el("article", { class: `message ${message.isMine ? "mine" : "theirs"}`, "data-id": message.id, "aria-label": `${message.from}, ${clock(message.date)}` });
  const bubble = el("div", { class: "bubble" });
  if (chat(message.chat)?.type === "supergroup") bubble.append(el("p", { class: "from" }, message.from));
  if (message.reply) bubble.append(quotation(message.reply, actions));
  if (message.attachment) bubble.append(media(message.attachment, former));
  if (message.text) bubble.append(el("div", { class: "text", lang: langOf(message) }, ...render(message.text, message.entities, actions.command)));
  const edited = message.wasJustEdited ? t("editedNow") : message.isEdited ? t("edited") : null;
  bubble.append(
    el("p", { class: "meta" }, edited && el("span", { class: "edited" }, edited), el("time", { datetime: new Date(message.date * 1000).toISOString() }, clock(message.date))),
  );
  node.append(bubble);
  if (message.keyboard.length) node.append(keyboard(message, actions));
  node.append(
    el("button", { type: "button", class: "answer plain", title: t("reply"), "aria-label": t("replyTo", { name: message.from }), onclick: () => actions.reply(message) }, "↩"),
  );
  if (message.wasJustEdited) showEdit(node);
  return node;
}

// Shows for a moment that a message was edited.
function showEdit(node) {
  node.classList.add("edited-now");
  setTimeout(() => {
    node.classList.remove("edited-now");
    const label = node.querySelector(".edited");
    if (label) label.textContent = t("edited");
  }, 2500);
}

function langOf(message) {
  return /[\u3400-\u9fff]/.test(message.text) ? "zh-Hans" : "en";
}

function quotation(reply, actions) {
  const kind = reply.kind ? `${t(reply.kind)}${reply.text ? ": " : ""}` : "";
  return el("button", { type: "button", class: "quote", onclick: () => actions.show(reply.id) }, el("strong", {}, reply.from), el("span", {}, kind + reply.text));
}

// A player that is playing is kept when the caption beneath it is edited.
function media(attachment, former) {
  const kept = former?.querySelector(`.media[data-url="${attachment.url}"]`);
  if (kept) return kept;
  const { kind, url, name } = attachment;
  if (kind === "video") {
    const player = el("video", { controls: true, playsinline: true, preload: "metadata", src: url, width: attachment.width, height: attachment.height, "aria-label": t("video") });
    if (attachment.poster) player.setAttribute("poster", attachment.poster);
    return el("figure", { class: "media", "data-url": url }, player, el("figcaption", {}, `${duration(attachment.seconds)} · ${attachment.width}×${attachment.height} · ${size(attachment.bytes)}`));
  }
  if (kind === "photo") {
    return el("figure", { class: "media", "data-url": url }, el("img", { src: url, alt: t("photo"), width: attachment.width, height: attachment.height }));
  }
  return el("a", { class: "media file", "data-url": url, href: url, download: name, "aria-label": t("file", { name }) }, el("span", { class: "disc", "aria-hidden": "true" }, "↓"), el("span", {}, name, el("small", {}, size(attachment.bytes))));
}

function keyboard(message, actions) {
  const rows = message.keyboard.map((row) => el("div", { class: "row" }, ...row.map((button) => key(message, button, actions))));
  return el("div", { class: "keyboard" }, ...rows);
}

function key(message, button, actions) {
  if (button.url !== undefined) {
    const isWeb = /^https?:\/\//i.test(button.url);
    return el("a", { class: "key", href: isWeb ? button.url : undefined, target: "_blank", rel: "noopener noreferrer" }, button.text, el("i", { "aria-hidden": "true" }, "↗"));
  }
  if (button.copy !== undefined) {
    return el("button", { type: "button", class: "key", onclick: () => copy(button.copy) }, button.text, el("i", { class: "copies", "aria-hidden": "true" }));
  }
  const node = el("button", { type: "button", class: "key" }, button.text);
  node.addEventListener("click", async () => {
    node.classList.add("waiting");
    const pressed = await perform("press", { chat: message.chat, message: message.id, data: button.data, user: actions.person() });
    setTimeout(() => node.classList.remove("waiting"), pressed ? 1500 : 0);
  });
  return node;
}
