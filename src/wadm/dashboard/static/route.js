// Where one is: lattice, view, what is looked at, and how (search, filters, order, selection), all in the address.
//
//   #/l/LATTICE/VIEW/NAME/TAB?q=…&status=…&sort=…
//
// Addresses without a lattice, as older versions had them, are of the lattice that the server shows first.

import { useEffect, useState } from "./vendor/preact.js";

const part = (text) => { try { return decodeURIComponent(text); } catch { return text; } };

/** Read an address. */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map(part);
  const lattice = parts[0] === "l" ? parts[1] || "" : "";
  const [view = "", name = "", tab = ""] = parts[0] === "l" ? parts.slice(2) : parts;
  return { lattice, view: view || "applications", name, tab, query: new URLSearchParams(query) };
}

/** Write an address. */
export function write({ lattice, view = "applications", name = "", tab = "", query = "" }) {
  const path = ["l", lattice, view, name, tab].map(encodeURIComponent);
  while (!path[path.length - 1]) path.pop();
  const text = query.toString();
  return `#/${path.join("/")}${text ? `?${text}` : ""}`;
}

const listeners = new Set();
let here = read(location.hash);
/** Read the address again: it was changed without an event. */
export const moved = () => { here = read(location.hash); listeners.forEach((one) => one(here)); };
addEventListener("hashchange", moved);

export const current = () => here;

/** Go somewhere; what is left out stays as it is, but for the query, which is given up with the view. */
export function go(where) { location.hash = write({ lattice: here.lattice, ...where }); }
export const to = (where) => write({ lattice: here.lattice, ...where });
export const toApplication = (name, tab = "") => to({ view: "applications", name, tab });

/** Put something else into the address without leaving it: Back does not stop there. */
export function replace(where) {
  // The address may be another already, of which the browser has not told yet.
  history.replaceState(history.state, "", write({ ...read(location.hash), ...where }));
  moved();
}

export function useRoute() {
  const [at, set] = useState(here);
  useEffect(() => { listeners.add(set); set(here); return () => listeners.delete(set); }, []);
  return at;
}

/** What the address says of one thing, and a function that has it say something else; "" is not said. */
export function useQuery(at, key, otherwise = "") {
  const value = at.query.get(key) ?? otherwise;
  const set = (next) => {
    const query = new URLSearchParams(here.query);
    const text = typeof next === "function" ? next(query.get(key) ?? otherwise) : next;
    if (text === otherwise) query.delete(key);
    else query.set(key, text);
    replace({ query });
  };
  return [value, set];
}

/** The same for a set of words. */
export function useWords(at, key) {
  const [text, set] = useQuery(at, key);
  const words = new Set(text.split(",").filter(Boolean));
  const toggle = (word) => { const next = new Set(words); if (!next.delete(word)) next.add(word); set([...next].join(",")); };
  return [words, toggle, (all) => set([...all].join(","))];
}
