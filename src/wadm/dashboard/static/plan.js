// What would happen: shown before anything does.

import { html } from "./vendor/preact.js";
import { plural } from "./format.js";
import { Badge } from "./parts.js";
import { toApplication } from "./route.js";

const SIGNS = { start: "+", scale: "±", "update live": "↑", restart: "↻", stop: "−", put: "+", delete: "−" };

export function Plan({ plan }) {
  const rounds = Map.groupBy ? Map.groupBy(plan.steps, (step) => step.round) : grouped(plan.steps);
  return html`<section class="plan" aria-label="Plan">
    <h3>${plan.steps.length ? plural(plan.steps.length, "step") : "Nothing to do: all is so already"} <small>plan ${plan.id}</small></h3>
    ${[...rounds].map(([round, steps]) => html`<div key=${round} class="round">${rounds.size > 1 && html`<h4>${round === 1 ? "First" : "Then"}</h4>`}
      <ul>${steps.map((step, index) => html`<li key=${index} class=${step.effect.replace(" ", "-")}><span class="sign" aria-hidden="true">${SIGNS[step.effect] || "·"}</span><b>${step.effect}</b> <span>${step.what}<small>because ${step.reason}</small></span></li>`)}</ul></div>`)}
    <p class="then">Then it is <${Badge} state=${plan.status.type} /> ${plan.status.message}</p>
    ${plan.warnings?.length > 0 && html`<div class="trouble warn"><div>${plan.warnings.map((text) => html`<p key=${text}>${text}</p>`)}</div></div>`}
    ${plan.consequences.length > 0 && html`<div class="trouble"><div><p>Other applications would be touched:</p><ul>${plan.consequences.map((one) => html`<li key=${one.application}><a href=${toApplication(one.application)}><b>${one.application}</b></a>: ${one.before} → ${one.after}</li>`)}</ul></div></div>`}
  </section>`;
}

function grouped(steps) {
  const found = new Map();
  steps.forEach((step) => { if (!found.has(step.round)) found.set(step.round, []); found.get(step.round).push(step); });
  return found;
}
