// Texts for people: times, versions, manifests as YAML, and what differs between two of them.

export const STATES = ["failed", "unhealthy", "waiting", "reconciling", "undeployed", "deployed"];
/** What is worst comes first; what was undeployed on purpose is no problem. */
export const GRAVITY = { failed: 0, unhealthy: 1, waiting: 2, reconciling: 3, deployed: 4, undeployed: 5 };

export const TITLES = {
  failed: "Failed", unhealthy: "Unhealthy", waiting: "Waiting", reconciling: "Reconciling",
  undeployed: "Undeployed", deployed: "Deployed",
};

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const ago = (time, now) => (now - time < 1.5 ? "just now" : `${duration(now - time)} ago`);

export function clock(time) {
  const date = new Date(time * 1000);
  const text = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return new Date().toDateString() === date.toDateString()
    ? text : `${date.toLocaleDateString([], { month: "short", day: "numeric" })} ${text}`;
}

export const number = (n) => n.toLocaleString("en");
export const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;

/** The last part of an image, which tells most of it. */
export function image(reference) {
  const name = reference.split("/").pop();
  return name || reference;
}

/** The innermost cause of an error, which hosts write last, after everything that failed because of it. */
export const cause = (error) => error.split(": ").slice(-2).join(": ");

/** A hue for a name, the same everywhere. */
export function hue(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return (sum * 137) % 360;
}

// -- YAML --------------------------------------------------------------------------------------

const PLAIN = /^[A-Za-z_/][\w ./@:-]*$/;
const TAKEN = /^(true|false|null|yes|no|on|off|~)$/i;

function scalar(value) {
  if (typeof value !== "string") return String(value);
  if (PLAIN.test(value) && !TAKEN.test(value) && !/: |:$| #| $/.test(value)) return value;
  return JSON.stringify(value);
}

const empty = (value) => (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0);

/** Plain data as YAML, in the order in which it is. */
export function yaml(value, indent = "") {
  if (value === null || typeof value !== "object") return `${scalar(value)}\n`;
  if (empty(value)) return Array.isArray(value) ? "[]\n" : "{}\n";
  if (Array.isArray(value)) {
    return value.map((item) => {
      const nested = item !== null && typeof item === "object" && !empty(item);
      const text = yaml(item, nested ? `${indent}  ` : indent);
      return `${indent}- ${nested ? text.slice(indent.length + 2) : text}`;
    }).join("");
  }
  return Object.entries(value).map(([key, item]) => {
    const nested = item !== null && typeof item === "object" && !empty(item);
    return `${indent}${scalar(key)}:${nested ? `\n${yaml(item, `${indent}  `)}` : ` ${yaml(item, indent)}`}`;
  }).join("");
}

// -- differences -------------------------------------------------------------------------------

/** Lines of both texts, in order: `{ sign: " " | "-" | "+", text }`. */
export function difference(before, after) {
  const a = before.split("\n");
  const b = after.split("\n");
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const x = a.slice(head, a.length - tail);
  const y = b.slice(head, b.length - tail);
  return [
    ...a.slice(0, head).map((text) => ({ sign: " ", text })),
    ...(x.length * y.length > 4e6 ? replaced(x, y) : middle(x, y)),
    ...a.slice(a.length - tail).map((text) => ({ sign: " ", text })),
  ];
}

const replaced = (x, y) => [...x.map((text) => ({ sign: "-", text })), ...y.map((text) => ({ sign: "+", text }))];

/** The longest common subsequence, as everybody does it. */
function middle(x, y) {
  const width = y.length + 1;
  const table = new Uint32Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i -= 1) {
    for (let j = y.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = x[i] === y[j]
        ? table[(i + 1) * width + j + 1] + 1
        : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const lines = [];
  let i = 0;
  let j = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) { lines.push({ sign: " ", text: x[i] }); i += 1; j += 1; }
    else if (j >= y.length || (i < x.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) {
      lines.push({ sign: "-", text: x[i] }); i += 1;
    } else { lines.push({ sign: "+", text: y[j] }); j += 1; }
  }
  return lines;
}

/** Only the changed lines with a few around them; `null` stands for what is left out. */
export function hunks(lines, around = 3) {
  const near = new Set();
  lines.forEach((line, at) => {
    if (line.sign !== " ") for (let n = at - around; n <= at + around; n += 1) near.add(n);
  });
  const shown = [];
  lines.forEach((line, at) => {
    if (near.has(at)) shown.push(line);
    else if (shown[shown.length - 1] !== null) shown.push(null);
  });
  return shown;
}
