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
  return new Date().toDateString() === date.toDateString() ? TIME.format(date) : `${DAY.format(date)} ${TIME.format(date)}`;
}

// Made once: making one takes longer than drawing a row of a table.
const EXACTLY = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "long" });
const TIME = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat([], { month: "short", day: "numeric" });
const NUMBER = new Intl.NumberFormat("en");

/** Date, time and zone: what one can quote to others. */
export const exactly = (time) => EXACTLY.format(time * 1000);

export const number = (n) => NUMBER.format(n);
export const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;

/** The last part of an image, which tells most of it. */
export function image(reference) {
  const name = reference.split("/").pop();
  return name || reference;
}

/** The innermost cause of an error, which hosts write last, after everything that failed because of it. */
export const cause = (error) => error.split(": ").slice(-2).join(": ");

const BAD = /^(refused|not answered in time|nobody there to answer|failed|unhealthy)\b|could not be |was refused|is not healthy|may have crashed|the host is lost/;
/** Whether an entry of a timeline tells of a failure. */
export const isFailure = (entry) => BAD.test(entry.text);

const SOON = 120;
/**
 * Entries of a timeline, newest first, with equal ones that follow each other closely put together:
 * `{ ...newest, times, entries }`. Equal are entries of one application that say the same of different hosts.
 */
export function grouped(entries) {
  const groups = [];
  const open = new Map();
  for (const entry of entries) {
    const text = entry.host ? entry.text.split(entry.host).join("…") : entry.text;
    const sign = `${entry.kind}|${entry.application || ""}|${text}`;
    const group = open.get(sign);
    if (group && group.last - entry.time < SOON) {
      group.entries.push(entry);
      group.last = entry.time;
    } else {
      const begun = { ...entry, entries: [entry], last: entry.time };
      open.set(sign, begun);
      groups.push(begun);
    }
  }
  return groups;
}

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

const WORD = /([\s/:@.,"'=[\]{}()-]+)/;

/** Mark within lines that were replaced one by one what differs: `words` are `[text, changed]`. */
export function marked(lines) {
  const shown = [...lines];
  for (let at = 0; at < lines.length; at += 1) {
    if (lines[at].sign !== "-") continue;
    let gone = at;
    while (gone < lines.length && lines[gone].sign === "-") gone += 1;
    let come = gone;
    while (come < lines.length && lines[come].sign === "+") come += 1;
    if (come - gone === gone - at) {
      for (let n = 0; n < gone - at; n += 1) [shown[at + n], shown[gone + n]] = pair(lines[at + n], lines[gone + n]);
    }
    at = come - 1;
  }
  return shown;
}

function pair(before, after) {
  const told = difference(before.text.split(WORD).join("\n"), after.text.split(WORD).join("\n"));
  const same = told.filter((one) => one.sign === " " && one.text.trim()).length;
  if (!same) return [before, after]; // nothing is left of the line: it is another
  const words = (sign) => told.filter((one) => one.sign === " " || one.sign === sign).map((one) => [one.text, one.sign !== " "]);
  return [{ ...before, words: words("-") }, { ...after, words: words("+") }];
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
