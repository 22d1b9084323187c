// Whom the server tells of changes, and what it could not deliver.

import { html, useEffect, useState } from "./vendor/preact.js";
import { retryNotification, webhooks } from "./api.js";
import { ago, clock, duration, number, plural } from "./format.js";
import { Badge, Loading, Shape, Trouble, useAsked, useNow } from "./parts.js";

const EVERY = 3000;

export function Notifications({ full, onLink }) {
  const [told, error, again] = useAsked(webhooks, []);
  const [refused, setRefused] = useState(null);
  const now = useNow();
  useEffect(() => {
    const timer = setInterval(again, EVERY);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => onLink(error ? "lost" : "live", error?.message, error?.status), [error]);
  if (!told) return error ? html`<${Trouble} error=${error} />` : html`<${Loading} what="the notifications" />`;
  if (!told.hooks.length) {
    return html`<section class="empty"><h1>Nobody is told of changes</h1>
      <p>Give the server <code>--http-webhooks FILE</code>, and it tells URLs and NATS subjects when the status of an application becomes another.</p></section>`;
  }
  const retry = async (ids) => {
    setRefused(null);
    try { for (const id of ids) await retryNotification(id); } catch (failure) { setRefused(failure); }
    again();
  };
  const dead = [...told.dead].reverse();
  return html`<section class="notifications" aria-label="Notifications">
    <div class="overview"><div class="headline"><h1>Notifications</h1>
      <p>${number(told.delivered)} delivered · ${dead.length ? html`<strong>${number(dead.length)}</strong> could not be` : "none lost"}${told.dropped ? html` · <strong>${number(told.dropped)}</strong> dropped because too many waited` : ""}</p></div></div>
    <${Trouble} error=${error || refused} />
    <div class="columns"><div>
      <h2>Could not be delivered ${full && dead.length > 1 && html`<button class="small" onClick=${() => retry(dead.map((one) => one.id))}>Send all again</button>`}</h2>
      ${dead.length ? html`<ul class="letters">${dead.map((one) => html`<${Letter} key=${one.id} one=${one} now=${now}>
        ${full && html`<button onClick=${() => retry([one.id])} aria-label=${`Send again: ${one.body.data.application} to ${one.hook}`}>Send again</button>`}<//>`)}</ul>`
      : html`<p class="none">Nothing. What nobody takes after ${plural(told.attempts, "attempt")} is kept here.</p>`}
      ${told.retrying.length > 0 && html`<h2>Being tried again</h2><ul class="letters">${told.retrying.map((one) => html`<${Letter} key=${one.id} one=${one} now=${now}>
        <small>${one.next_try > now ? `next try in ${duration(one.next_try - now)}` : "now"}</small><//>`)}</ul>`}
    </div><div>
      <h2>Who is told</h2>
      <ul class="hooks">${told.hooks.map((one) => html`<li key=${one.name} class="card"><b>${one.name}</b> <span class="dim">${one.to}</span>
        <p class="dim">${one.statuses.length ? one.statuses.join(", ") : "every status"} of ${one.applications.join(", ") === "*" ? "all applications" : one.applications.join(", ")}${one.lattices.join() === "*" ? "" : ` in ${one.lattices.join(", ")}`}</p></li>`)}</ul>
    </div></div>
  </section>`;
}

function Letter({ one, now, children }) {
  const { application, lattice, status } = one.body.data;
  return html`<li class="card"><${Shape} state="failed" /><div>
      <p><b>${application}</b> in ${lattice} became <${Badge} state=${status} /></p>
      <p class="dim">to <b>${one.hook}</b>, <time title=${clock(one.time)}>${ago(one.time, now)}</time>, ${plural(one.attempts, "attempt")}</p>
      <p class="bad">${one.error}</p></div>${children}</li>`;
}
