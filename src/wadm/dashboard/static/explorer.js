// The API over HTTP, to be tried: what the OpenAPI document says, with the token of whoever looks.

import { html, useMemo, useState } from "./vendor/preact.js";
import { openapi, raw } from "./api.js";
import { coded, Command, Icon, Loading, Trouble, useAsked } from "./parts.js";
import { useQuery } from "./route.js";

/** The operations of a document, by tag. */
function operationsOf(document) {
  const found = new Map(document.tags.map((tag) => [tag.name, { about: tag.description, operations: [] }]));
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, said] of Object.entries(methods)) found.get(said.tags[0]).operations.push({ path, method: method.toUpperCase(), ...said });
  }
  return [...found].filter(([, group]) => group.operations.length);
}

export default function Explorer({ api, full, at }) {
  const [document, error] = useAsked(openapi, []);
  const [text, setText] = useQuery(at, "q");
  const groups = useMemo(() => document && operationsOf(document), [document]);
  if (!groups) return error ? html`<${Trouble} error=${error} />` : html`<${Loading} what="the OpenAPI document" />`;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one) => words.every((word) => `${one.method} ${one.path} ${one.operationId} ${one.summary}`.toLowerCase().includes(word));
  return html`<section class="explorer" aria-label="API">
    <div class="overview"><div class="headline"><h1>API</h1><p>${coded(document.info.description)} <a href="api/openapi.json" target="_blank" rel="noopener">OpenAPI document</a></p></div></div>
    <div class="tools"><label class="search"><${Icon} name="search" /><input type="search" aria-label="Search operations" placeholder="Search operations" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label></div>
    ${groups.map(([tag, group]) => { const shown = group.operations.filter(fits); return shown.length > 0 && html`<section key=${tag}><h2>${tag}</h2><p class="dim">${group.about}</p>
      ${shown.map((one) => html`<${Operation} key=${one.operationId} one=${one} document=${document} lattice=${api.name} full=${full} />`)}</section>`; })}
  </section>`;
}

function Operation({ one, document, lattice, full }) {
  const [open, setOpen] = useState(false);
  return html`<details class="operation" open=${open} onToggle=${(event) => setOpen(event.target.open)}>
    <summary><span class="method ${one.method.toLowerCase()}">${one.method}</span><code>${one.path}</code><span class="dim">${coded(one.summary)}</span></summary>
    ${open && html`<${Try} one=${one} document=${document} lattice=${lattice} full=${full} />`}</details>`;
}

function Try({ one, document, lattice, full }) {
  const content = Object.entries(one.requestBody?.content || {});
  const [values, setValues] = useState(() => Object.fromEntries(one.parameters.filter((p) => p.in === "path").map((p) => [p.name, p.name === "lattice" ? lattice : p.example])));
  const [type] = useState(content[0]?.[0]);
  const example = content[0]?.[1].example;
  const [body, setBody] = useState(typeof example === "string" ? example : example ? JSON.stringify(example, null, 2) : "");
  const [answer, setAnswer] = useState(null);
  const streams = Object.values(one.responses)[0].content?.["text/event-stream"];
  const changes = one.description?.includes("`full`");
  const query = new URLSearchParams(one.parameters.filter((p) => p.in === "query" && values[p.name]).map((p) => [p.name, values[p.name]])).toString();
  const path = one.path.replace(/^\//, "").replace(/{(\w+)}/g, (_, name) => encodeURIComponent(values[name] || "")) + (query ? `?${query}` : "");
  const url = new URL(path, location.href.split("#")[0]).href;
  const curl = `curl -H "Authorization: Bearer $TOKEN"${one.method === "GET" ? "" : ` -X ${one.method}`}${body && type ? ` -H 'Content-Type: ${type}' --data-binary @FILE` : ""} '${url}'`;
  const send = async (event) => {
    event.preventDefault();
    setAnswer({ waiting: true });
    try {
      const found = await raw(one.method, path, type ? body : undefined, type);
      let shown = found.text;
      try { shown = JSON.stringify(JSON.parse(shown), null, 2); } catch { /* no JSON: as it is */ }
      setAnswer({ ...found, text: shown.length > 200000 ? `${shown.slice(0, 200000)}\n…` : shown });
    } catch (error) { setAnswer({ status: 0, text: error.message, took: 0 }); }
  };
  return html`<form class="try" onSubmit=${send}>
    ${one.description && html`<p class="dim">${coded(one.description)}</p>`}
    ${one.parameters.map((p) => html`<label key=${p.name} class="field"><span><code>${p.name}</code> <small>${p.in}${p.required ? "" : ", optional"}: ${coded(p.description)}</small></span>
      ${p.schema.enum ? html`<select value=${values[p.name]} onChange=${(event) => setValues({ ...values, [p.name]: event.target.value })}>${p.schema.enum.map((value) => html`<option key=${value} value=${value}>${value}</option>`)}</select>`
    : html`<input type="text" value=${values[p.name] || ""} required=${p.required} onInput=${(event) => setValues({ ...values, [p.name]: event.target.value })} />`}</label>`)}
    ${type && html`<label class="field"><span>Body <small>${type}</small></span><textarea class="code" spellcheck=${false} value=${body} onInput=${(event) => setBody(event.target.value)}></textarea></label>`}
    <${Command} text=${curl} />
    <p>${streams ? html`<span class="dim">A stream does not end; read it with curl.</span>` : html`<button class=${changes ? "danger" : "primary"} disabled=${changes && !full}>Send${changes ? ": it changes something" : ""}</button>${changes && !full ? html` <span class="dim">Your token may only read.</span>` : ""}`}</p>
    ${answer && (answer.waiting ? html`<p class="loading">Waiting for the answer …</p>` : html`<div role="status"><p><b class=${answer.status && answer.status < 400 ? "good" : "bad"}>${answer.status || "No answer"}</b> <small>${answer.took.toFixed(0)} ms</small></p><pre class="source" tabindex="0">${answer.text}</pre></div>`)}
    <details><summary>Answers</summary><dl class="answers">${Object.entries(one.responses).map(([status, told]) => html`<div key=${status}><dt>${status}</dt><dd>${coded(told.description)} ${schemaName(told, document)}</dd></div>`)}</dl></details>
  </form>`;
}

function schemaName(told, document) {
  const schema = Object.values(told.content || {})[0]?.schema;
  const name = schema?.$ref?.split("/").pop();
  return name && html`<details class="schema"><summary><code>${name}</code></summary><pre class="source" tabindex="0">${JSON.stringify(document.components.schemas[name], null, 2)}</pre></details>`;
}
