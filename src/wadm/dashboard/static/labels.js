// Hosts by their labels: what a requirement means, which hosts meet it, and why the others do not.

export const LATE = 45; // seconds: heartbeats come every 30 s
const GIVEN = /^(hostcore\.|wasmcloud\.)/;

export const isSilent = (host, now = Date.now() / 1000) => !host.lost && now - host.heard > LATE;

/** The labels that people gave a host, as `key=value`. */
export const ownLabels = (host) => Object.entries(host.labels).filter(([key]) => !GIVEN.test(key)).map(([key, value]) => `${key}=${value}`).sort();
export const givenLabels = (host) => Object.entries(host.labels).filter(([key]) => GIVEN.test(key)).map(([key, value]) => `${key}=${value}`).sort();

/** Read what was typed: `zone=east` are labels a host must have, other words are looked for in its names. */
export function wanted(text) {
  const labels = [];
  const words = [];
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const at = word.indexOf("=");
    if (at > 0) labels.push([word.slice(0, at), word.slice(at + 1)]);
    else words.push(word.toLowerCase());
  }
  return { labels, words };
}

export function fits(host, { labels, words }) {
  return labels.every(([key, value]) => host.labels[key] === value)
    && words.every((word) => {
      const text = [host.name, host.id, host.version, ...Object.entries(host.labels).map(([k, v]) => `${k}=${v}`),
        ...[...host.components, ...host.providers].flatMap((one) => [one.id, one.image, one.application || ""])];
      return text.some((part) => part.toLowerCase().includes(word));
    });
}

/** Why a host meets none of the requirements (objects of labels), in words; "" where it meets one. */
export function whyNot(host, requirements) {
  if (host.lost) return "it is lost";
  let told = "";
  for (const needs of requirements) {
    const lacks = Object.entries(needs).find(([key, value]) => host.labels[key] !== value);
    if (!lacks) return "";
    const [key, value] = lacks;
    told = told || (key in host.labels ? `${key} is ${host.labels[key]}, wanted ${value}` : `it has no ${key}, wanted ${value}`);
  }
  return told;
}

/** Labels that tell hosts apart, the most useful for grouping first. */
export function groupingLabels(hosts) {
  const values = new Map();
  for (const host of hosts) for (const [key, value] of Object.entries(host.labels)) {
    if (!values.has(key)) values.set(key, new Map());
    const of = values.get(key);
    of.set(value, (of.get(value) || 0) + 1);
  }
  const useful = [...values].filter(([key, of]) => key === "zone" || (of.size > 1 && of.size <= Math.max(4, hosts.length / 4)));
  return useful.sort(([a, x], [b, y]) => GIVEN.test(a) - GIVEN.test(b) || (b === "zone") - (a === "zone") || x.size - y.size || (a < b ? -1 : 1)).map(([key]) => key);
}
