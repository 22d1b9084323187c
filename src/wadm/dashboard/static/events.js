// What happens in the whole lattice, as it happens.

import { html } from "./vendor/preact.js";
import { gathered, useTopic } from "./parts.js";
import { Past } from "./past.js";

const NONE = [];

export default function Events({ api, at }) {
  const live = useTopic(`${api.name}/events`, (before = NONE, event, data) => (event === "timeline" ? gathered(before, data) : before)) || NONE;
  return html`<section class="events" aria-label="Events">
    <div class="overview"><div class="headline"><h1>Events</h1><p>Requests, commands with their reasons, answers, what hosts say, and what became of it</p></div></div>
    <${Past} api=${api} live=${live} at=${at} />
  </section>`;
}
