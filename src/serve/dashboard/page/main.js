// Connects the parts: the address says which range is shown, the API fills it, the stream keeps it up to date.

import * as api from "./api.js";
import { createChart, measure } from "./chart.js";
import { byId, element } from "./dom.js";
import { showFleet } from "./fleet.js";
import { dated, interval, sentence, timezone } from "./format.js";
import { bounds, fromHash, isEmpty, merge, outdated, RANGES, SHORTEST, span, toHash } from "./frame.js";
import { showTable, showTiles, spoken, summary } from "./series.js";

const RETRY = 5_000;
const AGAIN = `Trying again every ${RETRY / 1000}\u00a0s.`;
const view = { range: fromHash(location.hash), home: "15m", frame: null, stream: "connecting" };
const chart = createChart(byId("plot"), byId("tip"), {
  hover: (at) => view.frame && showTiles(view.frame, at, chart.toggle),
  zoom,
  reset: () => go({ last: view.home }),
});
window.dashboard = { chart, view }; // for the tests and the console

let request, retryTimer, live, lastLoad = 0;

// Loads the whole range. A quiet load keeps showing the old values while it waits, and if it fails.
async function load({ quiet = false } = {}) {
  request?.abort();
  clearTimeout(retryTimer);
  const { signal } = (request = new AbortController());
  const { range } = view;
  lastLoad = Date.now();
  if (!quiet) setState("loading");
  try {
    const frame = await api.series((now) => round(bounds(range, now)), signal);
    if (!signal.aborted) accept(frame);
  } catch (error) {
    if (!signal.aborted) refuse(error, quiet);
  }
}

const period = ({ from, to }) => interval(from, to - from, dated(from, to));
const round = ({ from, to }) => ({ from: Math.round(from), to: Math.round(to) });

function accept(frame) {
  request = null;
  byId("banner").hidden = true;
  show(frame);
  if (live?.bucket === frame.bucket) return;
  live?.stream.close();
  live = { bucket: frame.bucket, stream: api.follow(frame.bucket, { series: update, fleet: gotFleet, state: streamState }) };
}

function refuse(error, quiet) {
  request = null;
  if (!live) setStream("lost");
  if (!error.permanent) retryTimer = setTimeout(() => load({ quiet: true }), RETRY);
  if (quiet && view.frame) return showBanner("banner", `${error.message} The chart may be out of date. ${AGAIN}`);
  view.frame = null;
  chart.leave();
  if (error.permanent) return setState("error", "This range cannot be shown", error.message, "Show the last 15 minutes", () => go({ last: "15m" }));
  setState("error", "No data", `${error.message} ${AGAIN}`, "Try again now", () => load());
}

function show(frame) {
  view.frame = frame;
  chart.show(frame);
  showTiles(frame, chart.cursor(), chart.toggle);
  showTable(frame);
  const names = frame.series.map((one) => one.label);
  const title = names.length > 3 ? `${names.length} series` : new Intl.ListFormat("en").format(names) || "Dashboard";
  byId("title").textContent = title;
  document.title = `${title} · generic-consumer`;
  byId("measure").textContent = measure(frame);
  byId("span").textContent = view.range.last ? `Last ${RANGES[view.range.last][0]}` : period(frame);
  byId("chart").setAttribute("aria-label", summary(frame));
  if (isEmpty(frame)) showEmpty(frame);
  else setState("ready");
}

function showEmpty(frame) {
  const errors = frame.series.flatMap((one) => one.error ?? []);
  if (errors.length && errors.length === frame.series.length) {
    return setState("error", "No store answers", errors.map(sentence).join(" "), "Try again now", () => load());
  }
  const wider = Object.keys(RANGES).find((name) => RANGES[name][1] > span(view.range));
  const note = view.range.last ? "New values appear here as they arrive." : "";
  setState("empty", "No events in this range", `${period(frame)}. ${note}`,
    wider && `Show the last ${RANGES[wider][0]}`, () => go({ last: wider }));
}

function update(fresh) {
  if (!view.frame || request || fresh.bucket !== view.frame.bucket) return;
  if (outdated(view.frame, fresh, view.range)) reloadSoon();
  else show(merge(view.frame, fresh, view.range));
}

// Reloads 3 s after the last load at the earliest.
function reloadSoon() {
  clearTimeout(retryTimer);
  retryTimer = setTimeout(() => load({ quiet: true }), Math.max(0, lastLoad + 3000 - Date.now()));
}

function streamState(state) {
  if (state === "open" && view.stream === "lost") load({ quiet: Boolean(view.frame) });
  setStream(state);
}

function setStream(state) {
  view.stream = state;
  const status = state === "lost" ? "reconnecting" : state === "connecting" ? state : view.range.last ? "live" : "paused";
  byId("status").dataset.status = status;
  byId("status").textContent = status.charAt(0).toUpperCase() + status.slice(1);
  byId("cards").classList.toggle("stale", state === "lost");
}

// Shows or removes the message over the chart; its button is optional.
function setState(state, headline = "Loading", explanation = "", action = "", act) {
  const box = byId("message"), [title, text] = box.querySelectorAll("p"), button = box.querySelector("button");
  byId("chart").dataset.state = state;
  byId("chart").setAttribute("aria-busy", String(state === "loading"));
  box.setAttribute("role", state === "error" ? "alert" : "status");
  if (title.textContent !== headline) title.textContent = headline;
  if (text.textContent !== explanation) text.textContent = explanation;
  button.hidden = !action;
  button.textContent = action;
  button.onclick = act;
}

function showBanner(id, text) {
  byId(id).hidden = false;
  byId(id).textContent = text;
}

function gotFleet(fleet) {
  byId("fleet-banner").hidden = true;
  showFleet(fleet);
}

// Loads the fleet once, and again until it succeeds or the stream, which also brings it, is open.
async function loadFleet() {
  try {
    gotFleet(await api.fleet());
  } catch (error) {
    byId("cards").classList.add("stale");
    showBanner("fleet-banner", `${error.message} ${AGAIN}`);
    setTimeout(() => view.stream === "open" || loadFleet(), RETRY);
  }
}

function go(range) {
  const hash = toHash(range);
  if (hash === location.hash) load();
  else location.hash = hash;
}

function zoom(from, to) {
  const latest = Math.max(api.now(), view.frame?.to ?? 0);
  if (to > latest) [from, to] = [Math.max(0, from - (to - latest)), latest];
  const missing = Math.max(0, SHORTEST - (to - from));
  go(round({ from: from - missing / 2, to: to + missing / 2 }));
}

function rangeChanged() {
  view.range = fromHash(location.hash);
  if (view.range.last) view.home = view.range.last;
  for (const button of byId("ranges").children) button.setAttribute("aria-pressed", String(button.value === view.range.last));
  byId("pause").textContent = view.range.last ? "Pause" : "Back to live";
  setStream(view.stream);
  chart.leave();
  load();
}

function keyPressed(event) {
  if (event.target !== byId("chart") || !view.frame || event.ctrlKey || event.metaKey || event.altKey) return;
  const last = view.frame.times.length - 1, at = chart.cursor();
  const steps = { ArrowLeft: (at ?? last + 1) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: last };
  const commands = { "+": () => chart.zoomBy(0.5), "=": () => chart.zoomBy(0.5), "-": () => chart.zoomBy(2), Escape: () => go({ last: view.home }) };
  if (event.key in steps) {
    const to = Math.min(Math.max(steps[event.key], 0), last);
    chart.moveTo(to);
    byId("readout").textContent = spoken(view.frame, to);
  } else if (event.key in commands) commands[event.key]();
  else return;
  event.preventDefault();
}

for (const [name, [label]] of Object.entries(RANGES)) {
  const button = Object.assign(element("button", "", label), { type: "button", value: name });
  button.addEventListener("click", () => go({ last: name }));
  byId("ranges").append(button);
}
byId("pause").addEventListener("click", () => go(view.range.last && view.frame ? round(view.frame) : { last: view.home }));
byId("zoom-in").addEventListener("click", () => chart.zoomBy(0.5));
byId("zoom-out").addEventListener("click", () => chart.zoomBy(2));
byId("values").addEventListener("toggle", () => view.frame && showTable(view.frame));
byId("chart").addEventListener("keydown", keyPressed);
byId("chart").addEventListener("blur", chart.leave);
window.addEventListener("hashchange", rangeChanged);
byId("timezone").textContent = timezone();
rangeChanged();
loadFleet();
