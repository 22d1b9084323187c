// How a whole lattice was lately: instances, commands, hosts, how long deployments took.

import { html } from "./vendor/preact.js";
import { Charts } from "./charts.js";

export default function Trends({ api, at, who }) {
  return html`<section class="all-trends" aria-label="Trends">
    <div class="overview"><div class="headline"><h1>Trends of lattice ${api.name}</h1><p>What was wanted and ran, what was commanded and failed, which deployments there were</p></div></div>
    <${Charts} ask=${api.trend} keys=${[api.name]} which=${["instances", "commands", "settling", "hosts"]} at=${at} longest=${who.trends} named=${true} tall=${210} />
  </section>`;
}
