// Puts the page together: language, theme, which part a narrow screen shows.

import * as chats from "./chats.js";
import * as composer from "./composer.js";
import * as conversation from "./conversation.js";
import { byId } from "./dom.js";
import * as gateway from "./gateway.js";
import * as mind from "./mind.js";
import { language, read, setLanguage, t, translatePage, write } from "./strings.js";
import { connect, on, see, tell, toast } from "./world.js";

function view(name) {
  document.body.dataset.view = name;
  if (!document.activeElement.checkVisibility()) byId("log").focus({ preventScroll: true });
  for (const button of document.querySelectorAll(".views button")) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  see();
}

function showLanguage() {
  translatePage();
  byId("language").textContent = t("language");
  byId("language").lang = language === "zh" ? "en" : "zh-Hans";
}

function showTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
}

showLanguage();
showTheme(read("theme"));
view("conversation");
byId("link").textContent = t("connecting");
byId("language").addEventListener("click", () => {
  setLanguage(language === "zh" ? "en" : "zh");
  showLanguage();
  tell("language");
});
byId("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  write("theme", now === "dark" ? "light" : "dark");
  showTheme(read("theme") ?? (now === "dark" ? "light" : "dark"));
});
for (const button of document.querySelectorAll(".views button")) button.addEventListener("click", () => view(button.dataset.view));

const writeLine = (text) => {
  view("conversation");
  composer.write(text);
};
chats.start(() => view("conversation"));
composer.start();
conversation.start({ reply: composer.reply, command: composer.send, person: composer.person });
gateway.start(writeLine);
mind.start();
on("answered", ({ text, isAlert }) => {
  if (!text) return;
  if (!isAlert) {
    toast(text);
    return;
  }
  byId("alert-text").textContent = text;
  if (!byId("alert").open) byId("alert").showModal();
});
// The button that was pressed may have been replaced meanwhile.
byId("alert").addEventListener("close", () => document.activeElement === document.body && byId("input").focus());
connect();
