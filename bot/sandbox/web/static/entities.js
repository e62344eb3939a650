// A message's text with its entities, as elements: https://core.telegram.org/bots/api#messageentity.
// Offsets are in UTF-16 units, as are those of strings here.

import { copy } from "./clipboard.js";
import { el } from "./dom.js";
import { locale, t } from "./strings.js";

const TAGS = { bold: "strong", italic: "em", underline: "u", strikethrough: "s" };
const PLAIN = /(https?:\/\/[^\s<>"'，。、）)]+)|((?<=^|\s)\/[a-z0-9_]{1,32}(?:@\w+)?)(?=$|[\s.,:;!?，。：；！？、）)])/gi;
const QUOTE_LINES = 3; // of an expandable quotation that are shown at first

// onCommand: called with a command that is pressed.
export function render(text, entities, onCommand) {
  return nodes(text, entities, 0, text.length, onCommand);
}

// 1. The entities are sorted by offset, longer ones first, and nested, never crossing.
// 2. Each outermost one becomes an element, whose content are those inside.
function nodes(text, entities, start, end, onCommand) {
  const result = [];
  let at = start;
  let index = 0;
  while (index < entities.length) {
    const entity = entities[index];
    const stop = entity.offset + entity.length;
    let next = index + 1;
    while (next < entities.length && entities[next].offset < stop) next += 1;
    result.push(...plain(text.slice(at, entity.offset), onCommand));
    const inside = entities.slice(index + 1, next);
    result.push(element(entity, text, inside, onCommand));
    at = stop;
    index = next;
  }
  result.push(...plain(text.slice(at, end), onCommand));
  return result;
}

function element(entity, text, inside, onCommand) {
  const stop = entity.offset + entity.length;
  const own = text.slice(entity.offset, stop);
  const content = () => nodes(text, inside, entity.offset, stop, onCommand);
  switch (entity.type) {
    case "code":
      return el("button", { type: "button", class: "code", title: t("copyCode"), onclick: () => copy(own) }, el("code", {}, own));
    case "pre":
      return el("div", { class: "pre" }, el("pre", { tabindex: "0" }, el("code", {}, own)),
        el("button", { type: "button", class: "plain", onclick: () => copy(own) }, t("copyCode")));
    case "spoiler":
      return spoiler(content());
    case "blockquote":
      return el("blockquote", {}, ...content());
    case "expandable_blockquote":
      return expandable(content(), own);
    case "text_link":
      return link(entity.url, content());
    case "bot_command":
      return command(own, onCommand);
    case "date_time":
      return time(entity, own);
    default:
      return el(TAGS[entity.type] ?? "span", {}, ...content());
  }
}

// A text without entities, in which Telegram's clients find links and commands themselves.
function plain(text, onCommand) {
  const result = [];
  let at = 0;
  for (const found of text.matchAll(PLAIN)) {
    result.push(text.slice(at, found.index), found[1] ? link(found[1], [found[1]]) : command(found[2], onCommand));
    at = found.index + found[0].length;
  }
  result.push(text.slice(at));
  return result.filter((each) => each !== "");
}

function link(url, content) {
  const isWeb = /^https?:\/\//i.test(url);
  return isWeb ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, ...content) : el("span", {}, ...content);
}

function command(text, onCommand) {
  return el("button", { type: "button", class: "command", onclick: () => onCommand(text) }, text);
}

function spoiler(content) {
  const shown = el("span", { class: "spoiler open", tabindex: "-1" }, ...content);
  const open = () => {
    hidden.replaceWith(shown);
    shown.focus();
  };
  const hidden = el("button", { type: "button", class: "spoiler", "aria-label": t("spoiler"), onclick: open }, el("span", {}, shown.textContent));
  return hidden;
}

function expandable(content, text) {
  const quote = el("blockquote", {}, el("div", {}, ...content));
  if (text.split("\n").length <= QUOTE_LINES && text.length < 160) return quote;
  quote.classList.add("folded");
  const toggle = el("button", { type: "button", class: "plain", "aria-expanded": "false" }, t("showMore"));
  toggle.addEventListener("click", () => {
    const isFolded = quote.classList.toggle("folded");
    toggle.setAttribute("aria-expanded", String(!isFolded));
    toggle.textContent = t(isFolded ? "showMore" : "showLess");
  });
  quote.append(toggle);
  return quote;
}

// https://core.telegram.org/bots/api#date-time-entity-formatting, in the viewer's zone.
function time(entity, own) {
  const moment = new Date(entity.unix_time * 1000);
  const format = entity.date_time_format ?? "";
  const node = el("time", { datetime: moment.toISOString(), title: moment.toLocaleString(locale()) }, own);
  if (format === "r") node.textContent = relative(moment);
  else if (format) node.textContent = absolute(moment, format);
  return node;
}

function absolute(moment, format) {
  const options = {};
  if (format.includes("w")) options.weekday = "long";
  if (/d/i.test(format)) Object.assign(options, { day: "numeric", month: format.includes("D") ? "long" : "2-digit", year: "numeric" });
  if (/t/i.test(format)) Object.assign(options, { hour: "2-digit", minute: "2-digit" });
  if (format.includes("T")) options.second = "2-digit";
  return new Intl.DateTimeFormat(locale(), options).format(moment);
}

function relative(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, length] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]].find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(Math.round(seconds / length), unit);
}
