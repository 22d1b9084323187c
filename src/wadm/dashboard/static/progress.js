// What becomes of a plan after somebody has said yes to it: each step as it is asked for, accepted, done or refused.

import { html, useEffect, useState } from "./vendor/preact.js";
import { duration, isFailure, plural } from "./format.js";
import { Badge, Icon } from "./parts.js";

const WORDS = { deploy: ["Deploying", "deployed"], rollback: ["Rolling back to", "deployed"], undeploy: ["Undeploying", "undeployed"] };
const REQUEST = /^(version .* deployed\b|rollback to |undeployed\b)/;
const STATES = {
  waiting: ["not asked yet", "waiting"], asked: ["asked", "reconciling"], accepted: ["accepted", "reconciling"], done: ["done", "deployed"],
  failed: ["failed", "failed"], needless: ["was not needed", "undeployed"],
};

const begun = new Map(); // lattice/application -> { plan, what, after }
const newest = new Map(); // lattice/application -> the time of the newest entry that was seen of it
const watchers = new Set();
const tell = () => watchers.forEach((one) => one());

/** Note what was seen last of an application, so that what comes after a change is known to be of it. */
export const seen = (key, entries) => { if (entries.length) newest.set(key, entries[0].time); };

/** To be called before a change is asked for: the function that is returned shows what becomes of its plan. */
export function following(key, what) {
  const after = newest.get(key) || 0;
  return (plan) => { if (plan) { begun.set(key, { plan, what, after }); tell(); } };
}

/** Entries, newest first, of what happened since then. */
function since(entries, after) {
  const later = entries.filter((one) => one.time > after);
  if (after) return later;
  const asked = later.findIndex((one) => one.kind === "request" && REQUEST.test(one.text));
  return asked < 0 ? [] : later.slice(0, asked + 1);
}

/** How far a step is, by what happened since (newest first): `[state, what a host said]`. */
export function stateOf(step, entries) {
  const commands = entries.filter((one) => one.kind === "command" && one.text.startsWith(`${step.what}, because`));
  if (!commands.length) return ["waiting", ""];
  const first = commands[commands.length - 1];
  const answers = entries.filter((one) => one.kind === "answer" && one.text.includes(`: ${step.what}`));
  const events = entries.filter((one) => one.kind === "event" && one.time >= first.time && one.about === first.about && one.host === first.host);
  const [said] = [...answers, ...events].sort((a, b) => b.time - a.time || (a.kind === "event" ? -1 : 1));
  if (!said) return ["asked", ""];
  if (isFailure(said)) return commands[0].time > said.time ? ["asked", said.text] : ["failed", said.text];
  // Links and configurations are the lattice's: a host that accepts them has put them.
  return [said.kind === "event" || !step.host ? "done" : "accepted", ""];
}

/** Whether a revision of what is deployed is that of a plan, and has come to be. */
const isSo = ({ plan, what }, revision) => revision?.action === what && (revision.version || null) === (plan.version || null) && revision.outcome === WORDS[what][1];

/** What became of a plan: its steps with their states, what else was commanded, whether it is over. */
export function progressOf(one, entries, revision) {
  const { plan, after } = one;
  const later = since(entries, after);
  const over = isSo(one, revision);
  const told = later.some((entry) => entry.kind === "status"); // what happened is told a moment after it did
  const steps = plan.steps.map((step) => {
    const [state, said] = stateOf(step, later);
    return { ...step, state: over ? (state !== "waiting" ? "done" : told ? "needless" : "accepted") : state, said: over ? "" : said };
  });
  const others = later.filter((entry) => entry.kind === "command" && !plan.steps.some((step) => entry.text.startsWith(`${step.what}, because`))).length;
  return { steps, others, over, took: over ? revision.seconds || 0 : 0 };
}

/** The newest revision of what is deployed, asked for again until it is that of a plan and has come to be. */
function useRevision(api, name, one) {
  const [state, set] = useState({ of: null, revision: null });
  const revision = state.of === one ? state.revision : null;
  const over = one && isSo(one, revision);
  useEffect(() => {
    if (!one || over) return undefined;
    let wanted = true;
    const ask = () => api.history(name).then((found) => wanted && set({ of: one, revision: found[found.length - 1] }), () => {});
    ask();
    const timer = setInterval(ask, 1000);
    return () => { wanted = false; clearInterval(timer); };
  }, [one, over]);
  return revision;
}

export function Progress({ api, name, entries, status }) {
  const id = `${api.name}/${name}`;
  const [, again] = useState(0);
  const [folded, fold] = useState(false);
  useEffect(() => { const changed = () => again((n) => n + 1); watchers.add(changed); return () => watchers.delete(changed); }, []);
  const one = begun.get(id);
  const revision = useRevision(api, name, one);
  if (!one) { seen(id, entries); return null; }
  const { steps, others, over, took } = progressOf(one, entries, revision);
  const done = steps.filter((step) => step.state === "done" || step.state === "needless").length;
  const [doing] = WORDS[one.what];
  const version = one.what === "undeploy" ? "" : ` ${one.plan.version || ""}`;
  const close = () => { begun.delete(id); seen(id, entries); tell(); };
  return html`<section class="progress card" aria-label="Progress">
    <div class="progress-head"><p role="status"><b>${over ? (one.what === "undeploy" ? "Undeployed" : `Version${version} is deployed`) : `${doing}${version}`}</b> <span class="dim">${steps.length ? `${done} of ${plural(steps.length, "step")} done` : "nothing had to be done"}${others ? `, ${plural(others, "further command")}` : ""}${over && took ? `, took ${took < 10 ? `${took.toFixed(1)} s` : duration(took)}` : ""}</span></p>
      ${!over && status.type !== "reconciling" && html`<${Badge} state=${status.type} />`}<span class="space"></span>
      <button class="quiet small" aria-expanded=${!folded} onClick=${() => fold(!folded)}>${folded ? "Show the steps" : "Hide the steps"}</button><button class="quiet small" onClick=${close} aria-label="Close"><${Icon} name="close" size="13" /></button></div>
    <div class="bar" aria-hidden="true"><i class="deployed" style=${{ flexGrow: steps.length ? done : 1 }}></i><i class="left" style=${{ flexGrow: steps.length - done }}></i></div>
    ${!folded && steps.length > 0 && html`<ol>${steps.map((step, n) => { const [words, look] = STATES[step.state]; return html`<li key=${n} class=${step.state}><span class="badge ${look}">${words}</span> <span>${step.what}${step.said ? html`<small class="bad">${step.said}</small>` : ""}</span></li>`; })}</ol>`}
  </section>`;
}
