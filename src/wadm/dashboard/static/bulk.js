// Several applications at once: each with its plan first, and what became of each.

import { html, useEffect, useState } from "./vendor/preact.js";
import { plural } from "./format.js";
import { Badge, Dialog } from "./parts.js";

const WORDS = {
  deploy: ["Deploy", "Have the newest version of each run", "primary"],
  undeploy: ["Undeploy", "Take them down; their versions stay stored", "danger"],
  delete: ["Delete", "All their versions are gone then, and what runs of them is taken down. This cannot be undone", "danger"],
};
const AT_A_TIME = 4;

async function each(names, work) {
  const waiting = [...names];
  await Promise.all(Array.from({ length: AT_A_TIME }, async () => { while (waiting.length) await work(waiting.shift()); }));
}

export default function Bulk({ api, what, rows, onClose }) {
  const [title, about, look] = WORDS[what];
  const [names] = useState(() => rows.map((row) => row.name));
  const [found, setFound] = useState({});
  const [done, setDone] = useState(null);
  const [typed, setTyped] = useState("");
  useEffect(() => {
    let wanted = true;
    const said = what === "deploy" ? {} : { undeploy: true };
    each(names, async (name) => {
      let told;
      try { told = { plan: await api.plan(name, said) }; } catch (error) { told = { error }; }
      if (wanted) setFound((before) => ({ ...before, [name]: told }));
    });
    return () => { wanted = false; };
  }, []);
  const ready = names.every((name) => found[name]);
  const act = async () => {
    setDone({});
    await each(names, async (name) => {
      const plan = found[name].plan;
      let result = "done";
      try {
        if (what === "delete") await api.remove(name);
        else await api[what](name, plan ? { plan: plan.id, ...(plan.version ? { version: plan.version } : {}) } : {});
      } catch (error) { result = error.message; }
      setDone((before) => ({ ...before, [name]: result }));
    });
  };
  const failed = done ? Object.values(done).filter((one) => one !== "done").length : 0;
  const over = done && Object.keys(done).length === names.length;
  const sure = what !== "delete" || typed === String(names.length);
  return html`<${Dialog} title=${`${title} ${plural(names.length, "application")}`} onClose=${onClose} wide=${true}>
    <div class="body"><p class="dim">${about}.</p>
      <ul class="each-app">${names.map((name) => html`<li key=${name}><b>${name}</b> <span>${done?.[name] ? html`<span class=${done[name] === "done" ? "good" : "bad"}>${done[name]}</span>` : told(found[name])}</span></li>`)}</ul>
      ${what === "delete" && !done && html`<label class="field"><span>Type <b>${names.length}</b> to go on</span><input type="text" data-first value=${typed} onInput=${(event) => setTyped(event.target.value)} autocomplete="off" /></label>`}
      ${over && html`<p role="status">${failed ? html`<span class="bad">${failed} of ${names.length} could not be done.</span>` : "All is asked for."}</p>`}</div>
    <footer><span class="space"></span>${over ? html`<button class="primary" onClick=${onClose}>Close</button>` : html`<button onClick=${onClose}>Cancel</button><button class=${look} disabled=${!ready || done || !sure} onClick=${act}>${ready ? title : "Planning …"}</button>`}</footer>
  <//>`;
}

function told(found) {
  if (!found) return html`<span class="dim">planning …</span>`;
  if (found.error) return html`<span class="bad">${found.error.message}</span>`;
  const { plan } = found;
  return html`<span class="dim">${plan.steps.length ? plural(plan.steps.length, "step") : "nothing to do"}, then</span> <${Badge} state=${plan.status.type} />${plan.consequences.length ? html` <span class="bad">touches ${plan.consequences.map((one) => one.application).join(", ")}</span>` : ""}`;
}
