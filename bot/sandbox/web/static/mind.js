// What the bot knows and plans, read from its database and metrics.

import { byId, el } from "./dom.js";
import { clock, t } from "./strings.js";
import { on, world } from "./world.js";

export function start() {
  for (const name of ["snapshot", "mind", "language"]) on(name, draw);
  setInterval(countDown, 1000);
}

function draw() {
  const { tasks = [], deliveries = [], learned = [], keys = [], problems = [] } = world.mind;
  byId("mind").replaceChildren(
    ...problems.map((each) => el("p", { class: "problem" }, each)),
    tasks.length ? table(tasks) : el("p", { class: "hint" }, t("nothingKnown")),
    el("h3", {}, t("waiting")),
    deliveries.length
      ? el("ul", {}, ...deliveries.map((each) => el("li", {}, `${each.kind} → ${nameOf(each.chat)}, ${t("since", { time: clock(each.createdAt, true) })}`)))
      : el("p", { class: "hint" }, t("nothingWaits")),
    el("h3", {}, t("learned")),
    learned.length
      ? el("ul", {}, ...learned.map((each) => el("li", {}, `${each.provider} ${each.model}: ${t("learnedRow", { s: Math.round(each.typicalS), n: each.count })}`)))
      : el("p", { class: "hint" }, t("nothingLearned")),
    ...(keys.length ? [el("h3", {}, t("keys")), el("ul", {}, ...keys.map((each) => el("li", {}, `${each.name}: ${t("keyRow", { limit: each.limit })}`)))] : []),
  );
  countDown();
}

const nameOf = (id) => world.chats.find((each) => each.id === id)?.title ?? id;

function table(tasks) {
  const rows = tasks.map((task) =>
    el("tr", {}, el("td", { title: task.externalId }, `${task.provider} …${task.externalId.slice(-6)}`), el("td", {}, task.cause ?? task.status), el("td", { class: "next", "data-at": String(task.nextPollAt ?? "") })));
  return el("table", {},
    el("thead", {}, el("tr", {}, ...["task", "status", "nextPoll"].map((key) => el("th", { scope: "col" }, t(key))))),
    el("tbody", {}, ...rows));
}

function countDown() {
  for (const cell of byId("mind").querySelectorAll(".next")) {
    const left = Math.ceil(Number(cell.dataset.at) - Date.now() / 1000);
    cell.textContent = !cell.dataset.at ? t("noPoll") : left <= 0 ? t("due") : t("inSeconds", { n: left });
  }
}
