// The gateway: submit tasks, break things, see each task's timeline and the last response to the bot.

import { copy } from "./clipboard.js";
import { byId, el, keepFocus } from "./dom.js";
import { clock, t } from "./strings.js";
import { on, perform, world } from "./world.js";

const NAMES = { alibailian: "wan", newapi: "newapi", jimeng: "jimeng", videos: "videos" };
const KINDS = { alibailian: "Bailian · wan", newapi: "new-api", jimeng: "jimeng · Seedance", videos: "/v1/videos · sora, veo" };
const SECONDS = [6, 15, 60, 300];
const ENDS = { endsVideo: {}, endsNoLink: { hasLink: false }, endsHuge: { isHuge: true }, endsFailed: { fails: "The output video may contain sensitive information." }, endsError: { fails: "No available capacity for this model." } };
const SWITCHES = ["gatewayAway", "telegramAway", "tooManyRequests", "deadLinks", "slowHost"];
const list = byId("tasks");
const form = byId("submit");
let writeLine;

export function start(write) {
  writeLine = write;
  form.addEventListener("submit", submit);
  byId("tour").addEventListener("click", () => perform("tour", {}));
  form.elements.kind.addEventListener("change", showKind);
  for (const name of ["snapshot", "language"]) on(name, drawAll);
  on("task", update);
  on("switches", drawSwitches);
}

function drawAll() {
  options("kind", KINDS);
  options("seconds", { ...Object.fromEntries(SECONDS.map((each) => [each, `${each} s`])), steps: t("steps") });
  options("ends", Object.fromEntries(Object.keys(ENDS).map((each) => [each, t(each)])));
  options("progress", { steady: t("steady"), stuck: t("stuck"), none: t("none") });
  showKind();
  drawSwitches();
  const nodes = [...world.tasks.values()].reverse().map(taskNode);
  list.replaceChildren(...(nodes.length ? nodes : [el("li", { class: "hint" }, t("noTasks"))]));
}

function options(name, texts) {
  const select = form.elements[name];
  const chosen = select.value;
  select.replaceChildren(...Object.entries(texts).map(([value, text]) => el("option", { value }, text)));
  if (chosen) select.value = chosen;
}

// Only /v1/videos reports a progress, and can end without a link.
function showKind() {
  const hasProgress = form.elements.kind.value === "videos";
  form.elements.progress.disabled = !hasProgress;
  form.elements.progress.title = hasProgress ? "" : t("progressNote");
  const noLink = [...form.elements.ends.options].find((each) => each.value === "endsNoLink");
  noLink.disabled = !hasProgress;
  if (!hasProgress && form.elements.ends.value === "endsNoLink") form.elements.ends.value = "endsVideo";
}

function submit(event) {
  event.preventDefault();
  const { kind, seconds, ends, progress } = form.elements;
  perform("submit", { kind: kind.value, seconds: seconds.value === "steps" ? null : Number(seconds.value), progress: progress.value, ...ENDS[ends.value] });
}

function drawSwitches() {
  const focus = keepFocus(byId("switches"));
  byId("switches").replaceChildren(
    ...SWITCHES.map((name) => {
      const on = Boolean(world.switches[name]);
      return el("button", { type: "button", role: "switch", "aria-checked": String(on), onclick: () => perform("switch", { name, on: !on }) }, el("span", { class: "knob", "aria-hidden": "true" }), t(name));
    }),
  );
  focus(byId("switches"));
}

function update(task) {
  const known = list.querySelector(`[data-id="${CSS.escape(task.id)}"]`);
  const node = taskNode(task);
  if (!known) {
    list.querySelector(".hint")?.remove();
    list.prepend(node);
    if (list.childElementCount > world.tasks.size) list.lastElementChild.remove();
    return;
  }
  // Only what has changed is replaced, so that an open part stays open and a button keeps its focus.
  for (const part of [".state", ".bar", ".timeline", ".moves", ".response"]) {
    const [before, after] = [known.querySelector(part), node.querySelector(part)];
    if (!before || !after || before.outerHTML === after.outerHTML) continue;
    const focus = keepFocus(before);
    before.replaceWith(after);
    focus(after);
  }
  known.className = node.className;
}

function taskNode(task) {
  const button = (key, action) => el("button", { type: "button", class: "small", onclick: action }, t(key));
  const last = task.last;
  return el("li", { class: `task ${task.phase}`, "data-id": task.id },
    el("p", { class: "head" }, el("strong", {}, KINDS[task.kind]), el("span", { class: "state" }, t(task.phase) + (task.phase === "running" && task.kind === "videos" ? ` ${task.progress} %` : ""))),
    el("p", { class: "id" }, task.id),
    el("progress", { class: "bar", max: "100", value: String(task.progress), "aria-label": t("progress") }),
    el("p", { class: "timeline" }, timeline(task)),
    el("p", { class: "moves" },
      button("watch", () => writeLine(`/watch ${NAMES[task.kind]} ${task.id}`)),
      button("copyId", () => copy(task.id)),
      button("copyCreated", () => copy(task.created)),
      button("copyCurl", () => copy(task.curl)),
      task.canAdvance ? button("advance", () => perform("advance", { id: task.id })) : null,
    ),
    el("details", {}, el("summary", {}, t("lastAnswer")),
      el("div", { class: "response" },
        el("p", { class: "hint" }, !last ? t("notAsked") : last.status === null ? t("lastCut", { time: clock(last.at, true) }) : t("lastAt", { status: last.status, time: clock(last.at, true) })),
        last?.body ? el("pre", { tabindex: "0" }, last.body) : null,
      ),
    ),
  );
}

function timeline(task) {
  const parts = [t("submitted", { time: clock(task.addedAt, true) })];
  if (task.startedAt) parts.push(t("started", { time: clock(task.startedAt, true) }));
  if (task.endedAt) parts.push(t("ended", { time: clock(task.endedAt, true) }));
  parts.push(task.polls ? t("polls", { n: task.polls }) : t("notAsked"));
  if (task.downloads) parts.push(t("downloads", { n: task.downloads }));
  return parts.join(" · ");
}
