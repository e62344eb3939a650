// Copies texts, and says so.

import { el } from "./dom.js";
import { t } from "./strings.js";
import { toast } from "./world.js";

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https another machine's browser has no clipboard.
    const area = el("textarea", { class: "off" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(t("copied"));
}
