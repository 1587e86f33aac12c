// The tiles above the chart (each series with its latest value) and the table below it.

import { byId, element } from "./dom.js";
import { dated, interval, moment, numbers, sentence, time } from "./format.js";
import { shape } from "./frame.js";

const tiles = new Map(); // by the series' name
let tilesShape;

function createTile(one, i, toggle) {
  const parts = { number: element("b"), when: element("span", "tile-when"), source: element("span", "tile-source") };
  const root = element("button", `tile line-${(i % 8) + 1}`,
    element("span", "tile-name", element("i"), element("span", "", one.label)),
    element("span", "tile-value", parts.number, element("small", "", one.unit)), parts.when, parts.source);
  root.type = "button";
  root.setAttribute("aria-pressed", "true");
  root.addEventListener("click", () => {
    const visible = root.getAttribute("aria-pressed") !== "true";
    root.setAttribute("aria-pressed", String(visible));
    toggle(one.name, visible);
  });
  return { root, ...parts };
}

// Shows the values at `at`, an index into the frame's times, or the latest ones.
export function showTiles(frame, at, toggle) {
  if (tilesShape !== shape(frame)) {
    tilesShape = shape(frame);
    tiles.clear();
    frame.series.forEach((one, i) => tiles.set(one.name, createTile(one, i, toggle)));
    byId("tiles").replaceChildren(...[...tiles.values()].map((tile) => tile.root));
  }
  const when = (i) => moment(frame.times[i], frame.bucket, dated(frame.times[i], frame.times[i]));
  for (const one of frame.series) {
    const tile = tiles.get(one.name);
    const where = at ?? (one.values ?? []).findLastIndex((value) => value != null);
    const value = one.values?.[where];
    tile.root.classList.toggle("failed", Boolean(one.error));
    tile.number.textContent = numbers(one.values)(value);
    tile.when.textContent = where < 0 ? (one.error ? "" : "no events") : at == null ? `latest, ${when(where)}` : when(where);
    tile.source.textContent = one.error ?? `${one.aggregate} · ${one.source}`;
    tile.root.title = one.error ?? "";
  }
}

const rows = new Map(); // by time

// Updates the table in place, so that a screen reader keeps its position. Nothing happens while it is closed.
export function showTable(frame) {
  if (!byId("values").open) return;
  const [head, body] = [byId("values").querySelector("thead tr"), byId("values").querySelector("tbody")];
  const titles = ["Time", ...frame.series.map((one) => (one.unit ? `${one.label} (${one.unit})` : one.label))];
  const layout = JSON.stringify([titles, frame.bucket, dated(frame.from, frame.to)]);
  if (head.dataset.layout !== layout) {
    head.dataset.layout = layout;
    head.replaceChildren(...titles.map((title) => Object.assign(element("th", "", title), { scope: "col" })));
    rows.clear();
    body.replaceChildren();
  }
  const shown = new Set(frame.times);
  for (const [at, row] of rows) if (!shown.has(at)) { row.remove(); rows.delete(at); }
  const formats = frame.series.map((one) => numbers(one.values));
  let next = null; // the latest row is the first
  frame.times.forEach((at, i) => {
    const row = rows.get(at) ?? createRow(at, frame);
    if (row.nextSibling !== next || !row.parentNode) body.insertBefore(row, next);
    next = row;
    frame.series.forEach((one, column) => fill(row.cells[column + 1].firstChild, one.values?.[i] ?? null, formats[column]));
  });
}

function createRow(at, frame) {
  const time = element("time", "", interval(at, frame.bucket, dated(frame.from, frame.to)));
  time.dateTime = new Date(at).toISOString();
  const header = Object.assign(element("th", "", time), { scope: "row" });
  const row = element("tr", "", header, ...frame.series.map(() => element("td", "", element("data"))));
  rows.set(at, row);
  return row;
}

function fill(cell, value, format) {
  const text = format(value);
  if (cell.textContent !== text) cell.textContent = text;
  cell.value = value ?? "";
}

// The values of one bucket, for screen readers.
export function spoken(frame, at) {
  const values = frame.series.map((one) => {
    const value = one.values?.[at];
    return value == null ? `${one.label} no event` : `${one.label} ${numbers(one.values)(value)} ${one.unit}`.trim();
  });
  return `${time(frame.times[at])}: ${values.join(", ")}`;
}

// The whole chart in one sentence for each series, for screen readers.
export function summary(frame) {
  const about = frame.series.map((one) => {
    if (one.error) return `${one.label}: ${one.error}`;
    const known = (one.values ?? []).filter((value) => value != null);
    const [latest, least, most] = [known.at(-1), Math.min(...known), Math.max(...known)].map(numbers(one.values));
    return known.length ? `${one.label}: latest ${latest}, from ${least} to ${most}` : `${one.label}: no events`;
  });
  return [`Line chart, ${interval(frame.from, frame.to - frame.from, dated(frame.from, frame.to))}`, ...about].map(sentence).join(" ");
}
