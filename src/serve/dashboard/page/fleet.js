// The cards of the instances: state, lag, speed, dead letters by reason.

import { byId, element } from "./dom.js";
import { count, duration, rate, time } from "./format.js";
import { now } from "./api.js";

// What a state is called, how it is coloured, and what it means where the instance gives no detail.
const STATES = {
  starting: ["Starting", "busy"],
  running: ["Running", "good"],
  paused: ["Paused", "wait", "Waits for the sink (back-pressure)."],
  stuck: ["Stuck", "bad"],
  disabled: ["Disabled", "off", "Switched off: it consumes nothing."],
  stopping: ["Stopping", "busy"],
  away: ["Away", "bad", "Its /status does not answer."],
};

const cards = new Map(); // by name and URL
const sum = (map) => Object.values(map ?? {}).reduce((total, value) => total + value, 0);

export function showFleet({ instances }) {
  const keys = instances.map((one) => `${one.name} ${one.url}`);
  for (const key of cards.keys()) if (!keys.includes(key)) cards.delete(key);
  instances.forEach((one, i) => {
    if (!cards.has(keys[i])) cards.set(keys[i], byId("instance").content.firstElementChild.cloneNode(true));
    fillCard(cards.get(keys[i]), one);
  });
  const wanted = keys.map((key) => cards.get(key));
  const shown = [...byId("cards").children];
  if (wanted.length !== shown.length || wanted.some((card, i) => card !== shown[i])) byId("cards").replaceChildren(...wanted);
  byId("cards").closest(".fleet").hidden = instances.length === 0;
  const running = instances.filter((one) => one.state === "running" && !one.detail).length;
  byId("fleet-summary").textContent = `${running} of ${instances.length} running · updated ${time(now())}`;
}

// A running instance says something only where it waits for its sink.
function stateOf(one) {
  if (one.state === "running" && one.detail) return ["Waiting", "wait"];
  return Object.hasOwn(STATES, one.state) ? STATES[one.state] : [one.state, "off"];
}

function fillCard(card, one) {
  const [label, tone, meaning] = stateOf(one);
  card.dataset.tone = tone;
  const partitions = one.partitions ?? [];
  const texts = {
    name: one.name,
    state: label,
    detail: one.detail ?? meaning ?? "",
    flow: [one.topic, one.sink].filter(Boolean).join(" → "),
    lag: one.lag == null && partitions.length ? "unknown" : count(one.lag),
    speed: rate(one.rows_per_second),
    rows: count(one.rows),
    partitions: partitions.length === 1 ? "1 partition" : `${partitions.length} partitions`,
    about: [
      one.domain, one.group && `group ${one.group}`, one.version && `version ${one.version}`,
      one.started != null && `up ${duration(now() - one.started)}`, one.url.replace(/^https?:\/\//, ""),
    ].filter(Boolean).join(" · "),
  };
  for (const [field, text] of Object.entries(texts)) write(card.querySelector(`[data-field=${field}]`), text);
  for (const box of card.querySelectorAll("[data-reasons]")) fillReasons(box, one[box.dataset.reasons]);
  const details = card.querySelector("details");
  details.hidden = partitions.length === 0;
  details.querySelector("tbody").replaceChildren(...partitions.map(partitionRow));
}

function partitionRow({ partition, lag }) {
  return element("tr", "", element("td", "", partition), element("td", "", lag == null ? "unknown" : count(lag)));
}

function write(field, text) {
  if (field.textContent !== text) field.textContent = text;
  field.hidden = text === "";
}

// A heading with the total, and a line for each reason, most frequent first. A single ignored reason stands in the heading.
function fillReasons(box, reasons) {
  const total = sum(reasons);
  box.hidden = reasons == null;
  box.classList.toggle("none", total === 0);
  const entries = Object.entries(reasons ?? {}).sort((a, b) => b[1] - a[1]);
  const single = entries.length === 1 && box.dataset.reasons === "ignored";
  const heading = line("p", "reasons-head", box.dataset.label + (single ? ` by ${entries[0][0]}` : ""), count(total));
  const list = element("ul");
  for (const [reason, amount] of entries) {
    const item = list.appendChild(line("li", "", reason.replaceAll("_", " "), count(amount)));
    item.style.setProperty("--share", total ? amount / total : 0);
  }
  box.replaceChildren(heading, ...(entries.length && !single ? [list] : []));
}

function line(tag, className, label, number) {
  return element(tag, className, element("span", "", label), element("b", "", number));
}
