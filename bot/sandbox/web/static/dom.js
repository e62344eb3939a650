// Builds elements; texts are set as text, never as HTML.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const FOCUSABLE = "a[href], button, select, textarea, summary, video[controls], [tabindex]";

// Notes which part of an element has the focus; returns what gives it to the same part of its successor.
export function keepFocus(former) {
  const place = [...former.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  if (place < 0) return () => {};
  const text = document.activeElement.textContent;
  return (successor) => {
    const parts = [...successor.querySelectorAll(FOCUSABLE)];
    const same = parts[place]?.textContent === text ? parts[place] : parts.find((each) => each.textContent === text);
    (same ?? parts[Math.min(place, parts.length - 1)])?.focus({ preventScroll: true });
  };
}

export const byId = (id) => document.getElementById(id);
