// The versions of an application: who deployed which, when, what became of it, and what differs between two of them.

import { html, useMemo } from "./vendor/preact.js";
import { difference, duration, exactly, hunks, marked, yaml } from "./format.js";
import { Ago, Loading, Trouble, useAsked } from "./parts.js";
import { useQuery } from "./route.js";

export function Versions({ api, name, versions, status, now, at, onDeploy }) {
  const [history] = useAsked(() => api.history(name).catch(() => []), [name, status.type, versions]);
  const order = [...versions].reverse();
  const deployed = versions.find((one) => one.deployed)?.version;
  const [left, setLeft] = useQuery(at, "from", (deployed !== order[0]?.version && deployed) || order[1]?.version || "");
  const [right, setRight] = useQuery(at, "to", order[0]?.version || "");
  const last = useMemo(() => new Map((history || []).filter((one) => one.version).map((one) => [one.version, one])), [history]);
  return html`<div class="columns"><div>
    <h2>Stored</h2><ul class="versions">${order.map((one) => { const run = last.get(one.version); return html`<li key=${one.version}><b>${one.version}</b>${one.deployed && html`<span class="pill ok">deployed</span>`}
      <span class="run dim">${run ? html`${run.author ? `${run.author}, ` : ""}<${Ago} time=${run.time} now=${now} />` : history ? "never deployed" : ""}</span>
      ${onDeploy && !one.deployed && html`<button class="small" onClick=${() => onDeploy(one.version)} aria-label=${`Deploy ${one.version}`}>Deploy …</button>`}</li>`; })}</ul>
    <h2>Deployments</h2>${history?.length ? html`<ol class="revisions">${[...history].reverse().map((one) => html`<li key=${one.number}>
      <span class="no">${one.number}</span><div><b>${one.action}</b> ${one.version || ""} ${one.outcome ? html`<small>${one.outcome}${one.seconds >= 0.5 ? ` after ${duration(one.seconds)}` : ""}</small>` : html`<small>under way</small>`}
      ${(one.author || one.message) && html`<p>${one.author}${one.author && one.message ? ": " : ""}${one.message}</p>`}</div><span class="when" title=${exactly(one.time)}><${Ago} time=${one.time} now=${now} /></span></li>`)}</ol>` : html`<p class="none">None yet.</p>`}
  </div><div>
    <h2>What differs</h2>
    ${versions.length > 1 ? html`<div class="compare"><${Choice} label="From" value=${left} set=${setLeft} versions=${order} /><${Choice} label="To" value=${right} set=${setRight} versions=${order} /></div>
      <${Difference} api=${api} name=${name} left=${left} right=${right} />` : html`<p class="none">There is one version only.</p>`}
  </div></div>`;
}

export const Choice = ({ label, value, set, versions, empty }) => html`<label class="choice"><span>${label}</span> <select value=${value} onChange=${(event) => set(event.target.value)}>${empty && html`<option value=""></option>`}${versions.map((one) => html`<option key=${one.version} value=${one.version}>${one.version}${one.deployed ? " (deployed)" : ""}</option>`)}</select></label>`;

export function Difference({ api, name, left, right }) {
  const [both, error] = useAsked(() => Promise.all([api.manifest(name, left), api.manifest(name, right)]), [name, left, right]);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!both) return html`<${Loading} what="both versions" />`;
  return html`<${Lines} before=${yaml(both[0])} after=${yaml(both[1])} />`;
}

/** What differs between two texts, line by line, and within lines word by word. */
export function Lines({ before, after }) {
  const lines = useMemo(() => hunks(marked(difference(before, after))), [before, after]);
  if (!lines.some((line) => line && line.sign !== " ")) return html`<p class="none">They are the same.</p>`;
  return html`<pre class="diff" tabindex="0" aria-label="Differences">${lines.map((line, at) => (line === null
    ? html`<span key=${at} class="gap">⋯</span>`
    : html`<span key=${at} class=${line.sign === "+" ? "add" : line.sign === "-" ? "del" : ""}><i>${line.sign}</i><span>${line.words
      ? line.words.map(([text, changed], n) => (changed ? html`<mark key=${n}>${text}</mark>` : text)) : line.text || " "}</span></span>`))}</pre>`;
}
