// What can be written at a place of a manifest, by its schema: names of properties, and values.

const own = (schema, schemas) => {
  let found = schema;
  while (found?.$ref) found = schemas[found.$ref.split("/").pop()];
  return found;
};

const indentOf = (line) => /^ */.exec(line)[0].length;

/** A line as `{ depth, item, key, value }`: where its key begins, whether it begins an item of a list. */
function read(line) {
  const found = /^( *)((?:- +)*)(?:([\w.-]+)(:)?)?(.*)$/.exec(line);
  const [, spaces, dashes, key = "", colon, rest] = found;
  return { depth: spaces.length + dashes.length, begin: spaces.length, item: Boolean(dashes), key: colon ? key : "", rest: colon ? rest : key + rest };
}

/** The keys that lead to a line, outermost first: `{ key, item, siblings }`, where `siblings` are its object's plain values. */
function pathTo(lines, at, depth) {
  const path = [];
  let limit = depth;
  let item = read(lines[at]).item;
  for (let n = at - 1; n >= 0 && limit > 0; n -= 1) {
    const line = lines[n];
    if (!line.trim() || line.trim().startsWith("#")) continue;
    const one = read(line);
    // Of a list's item, the line with the dash is a sibling of those below it, and what the list belongs to is further out.
    if (one.depth === limit && one.item) { item = true; limit = one.begin + 1; continue; }
    if (one.key && one.depth < limit && !one.rest.trim()) { path.unshift({ key: one.key, item }); limit = one.depth; item = one.item; if (one.item) limit = one.begin + 1; }
  }
  return path;
}

/** The plain values of the object that a line belongs to. */
function siblings(lines, at, depth) {
  const found = {};
  const take = (one) => { if (one.depth === depth && one.key) found[one.key] = one.rest.trim().replace(/^["']|["']$/g, ""); };
  for (let n = at; n >= 0; n -= 1) {
    if (!lines[n].trim()) continue;
    const one = read(lines[n]);
    if (one.depth < depth) break;
    if (n !== at) take(one);
    if (one.depth === depth && one.item) break;
  }
  for (let n = at + 1; n < lines.length; n += 1) {
    if (!lines[n].trim()) continue;
    const one = read(lines[n]);
    if (one.depth < depth || (one.depth === depth && one.item)) break;
    take(one);
  }
  return found;
}

/** The schema of an object with what holds for it because of its own values. */
function settled(schema, values, schemas) {
  const found = own(schema, schemas);
  if (!found) return null;
  const properties = { ...found.properties };
  for (const rule of found.allOf || []) {
    const holds = Object.entries(rule.if?.properties || {}).every(([key, { const: only, enum: some }]) => values[key] === only || some?.includes(values[key]));
    if (holds) Object.assign(properties, rule.then?.properties);
  }
  for (const one of [...(found.oneOf || []), ...(found.anyOf || [])]) Object.assign(properties, own(one, schemas)?.properties);
  return { ...found, properties };
}

/** What fits at a position of a text: `{ from, to, options }`, null where nothing is known. */
export function completionsAt(text, pos, schemas) {
  const before = text.slice(0, pos);
  const at = before.split("\n").length - 1;
  const lines = text.split("\n");
  const typed = before.slice(before.lastIndexOf("\n") + 1);
  const inLine = read(typed);
  if (/#/.test(typed)) return null;
  const word = /[\w-]*$/.exec(typed)[0];
  const depth = inLine.key || word ? inLine.depth : indentOf(typed) + (inLine.item ? inLine.depth - indentOf(typed) : 0);
  const path = pathTo(lines, at, depth);
  let schema = schemas.Manifest;
  const limits = path.map((_, n) => path.slice(0, n));
  // The values that decide which schema holds for an object stand beside it in the text.
  let line = 0;
  for (const [n, step] of path.entries()) {
    line = lineOf(lines, line, limits[n].length, step.key, at);
    const values = siblings(lines, line, read(lines[line]).depth);
    let next = settled(schema, values, schemas)?.properties[step.key];
    next = own(next, schemas);
    if (next?.items) next = own(next.items, schemas);
    if (!next) return null;
    schema = next;
  }
  const here = settled(schema, siblings(lines, at, depth), schemas);
  if (!here) return null;
  if (inLine.key) return values(own(here.properties[inLine.key], schemas), pos, word);
  const taken = siblings(lines, at, depth);
  const options = Object.entries(here.properties).filter(([key]) => !(key in taken)).map(([key, one]) => {
    const found = own(one, schemas) || {};
    const more = found.properties || found.type === "array" || found.type === "object" || Array.isArray(found.type) || found.oneOf;
    return { label: key, apply: `${key}:${more ? "" : " "}`, info: found.description, type: "property", boost: here.required?.includes(key) ? 2 : 0 };
  });
  return options.length ? { from: pos - word.length, to: pos, options } : null;
}

/** The line of a key on the way to a line: the last one before it with that key. */
function lineOf(lines, from, _, key, at) {
  for (let n = at - 1; n >= from; n -= 1) if (read(lines[n]).key === key) return n;
  return from;
}

function values(schema, pos, word) {
  const known = schema?.enum || (schema?.const !== undefined ? [schema.const] : schema?.type === "boolean" ? [true, false] : schema?.examples) || [];
  const options = known.filter((one) => typeof one !== "object").map((one) => ({ label: String(one), info: schema.description, type: "constant" }));
  return options.length ? { from: pos - word.length, to: pos, options } : null;
}
