// The hub as a shared worker: one for all tabs of this site.

import { Hub } from "./hub.js";

const hub = new Hub();
let count = 0;

self.onconnect = (event) => {
  const [port] = event.ports;
  const id = (count += 1);
  port.onmessage = ({ data }) => hub.hear(id, data, (said) => port.postMessage(said));
  port.start();
};
