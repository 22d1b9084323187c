// Whom the server tells of changes, and what it could not deliver.

import { html, useMemo, useState } from "./vendor/preact.js";
import { discardNotification, retryNotification, testWebhook } from "./api.js";
import { duration, number, plural } from "./format.js";
import { Ago, Badge, Loading, Shape, Trouble, useNow, useSnapshot } from "./parts.js";
import { to } from "./route.js";

const SHOWN = 5;

/** Notifications put together by whom they were for and what hindered them, the newest first. */
function grouped(letters) {
  const found = new Map();
  for (const one of [...letters].reverse()) {
    const key = `${one.hook}\n${one.error}`;
    if (!found.has(key)) found.set(key, { hook: one.hook, error: one.error, letters: [] });
    found.get(key).letters.push(one);
  }
  return [...found.values()];
}

export default function Notifications({ full }) {
  const told = useSnapshot("notifications");
  const [refused, setRefused] = useState(null);
  const [tests, setTests] = useState({});
  const now = useNow();
  const dead = useMemo(() => grouped(told?.dead || []), [told]);
  const retrying = useMemo(() => grouped(told?.retrying || []), [told]);
  if (!told) return html`<${Loading} what="the notifications" />`;
  if (!told.hooks.length) {
    return html`<section class="empty"><h1>Nobody is told of changes</h1>
      <p>Give the server <code>--http-webhooks FILE</code>, and it tells URLs and NATS subjects when the status of an application becomes another.</p></section>`;
  }
  const all = async (work, letters) => {
    setRefused(null);
    try { for (const one of letters) await work(one.id); } catch (failure) { setRefused(failure); }
  };
  const test = async (name) => {
    const say = (text) => setTests((before) => ({ ...before, [name]: text }));
    say("Sending …");
    try { say((await testWebhook(name)).message); } catch (failure) { say(failure.message); }
  };
  const gone = told.dead.length;
  return html`<section class="notifications" aria-label="Notifications">
    <div class="overview"><div class="headline"><h1>Notifications</h1>
      <p>${number(told.delivered)} delivered · ${gone ? html`<strong>${number(gone)}</strong> could not be` : "none lost"}${told.dropped ? html` · <strong>${number(told.dropped)}</strong> dropped because too many waited` : ""}</p></div></div>
    <${Trouble} error=${refused} />
    <div class="columns"><div>
      <h2>Could not be delivered</h2>
      ${dead.length ? html`<ul class="letters">${dead.map((group) => html`<${Letters} key=${`${group.hook} ${group.error}`} group=${group} now=${now}>
        ${full && html`<span class="act"><button onClick=${() => all(retryNotification, group.letters)} aria-label=${`Send again: ${plural(group.letters.length, "notification")} to ${group.hook}`}>Send again</button>
          <button class="quiet" onClick=${() => all(discardNotification, group.letters)} aria-label=${`Discard: ${plural(group.letters.length, "notification")} to ${group.hook}`}>Discard</button></span>`}<//>`)}</ul>`
      : html`<p class="none">Nothing. What nobody takes after ${plural(told.attempts, "attempt")} is kept here.</p>`}
      ${retrying.length > 0 && html`<h2>Being tried again</h2><ul class="letters">${retrying.map((group) => html`<${Letters} key=${`${group.hook} ${group.error}`} group=${group} now=${now}>
        <small>${next(group.letters, now)}</small><//>`)}</ul>`}
    </div><div>
      <h2>Who is told</h2>
      <ul class="hooks">${told.hooks.map((one) => html`<li key=${one.name} class="card"><div class="hook"><div><b>${one.name}</b> <span class="dim">${one.to}</span>
        <p class="dim">${one.statuses.length ? one.statuses.join(", ") : "every status"} of ${one.applications.join() === "*" ? "all applications" : one.applications.join(", ")}${one.lattices.join() === "*" ? "" : ` in ${one.lattices.join(", ")}`}</p></div>
        ${full && html`<button class="small" onClick=${() => test(one.name)} aria-label=${`Send a test to ${one.name}`}>Test</button>`}</div>
        ${tests[one.name] && html`<p role="status" class=${/^The test was|^Sending/.test(tests[one.name]) ? "dim" : "bad"}>${tests[one.name]}</p>`}</li>`)}</ul>
    </div></div>
  </section>`;
}

function next(letters, now) {
  const times = letters.map((one) => one.next_try).filter((time) => time > now);
  return times.length ? `next try in ${duration(Math.min(...times) - now)}` : "now";
}

function Letters({ group, now, children }) {
  const [open, setOpen] = useState(false);
  const shown = open ? group.letters : group.letters.slice(0, SHOWN);
  return html`<li class="card"><${Shape} state="failed" /><div>
      <p>${group.letters.length > 1 ? html`<b>${plural(group.letters.length, "notification")}</b> ` : ""}to <b>${group.hook}</b></p>
      <p class="bad">${group.error}</p>
      <ul class="each-letter">${shown.map((one) => { const { application, lattice, status } = one.body.data; return html`<li key=${one.id}><a href=${to({ lattice, view: "applications", name: application })}>${application}</a>${lattice === "default" ? "" : ` in ${lattice}`} became <${Badge} state=${status} /> <span class="dim"><${Ago} time=${one.time} now=${now} />, ${plural(one.attempts, "attempt")}</span></li>`; })}</ul>
      ${group.letters.length > SHOWN && html`<button class="text" onClick=${() => setOpen(!open)}>${open ? "Show fewer" : `and ${group.letters.length - SHOWN} more`}</button>`}</div>${children}</li>`;
}
