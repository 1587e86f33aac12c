// The line chart: draws a frame with uPlot, shows the bucket under the crosshair, reports zooming.
/* global uPlot */

import { element } from "./dom.js";
import { dated, duration, interval, numbers, time } from "./format.js";
import { shape, SHORTEST } from "./frame.js";

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const BOLD = `600 ${FONT}`;
const WIDE = 640; // from this width on, the lines carry their names
const DASHES = [[], [], [7, 4], [2, 3], [10, 3, 2, 3], [7, 4], [2, 3], [10, 3, 2, 3]];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const color = (i) => css(`--series-${(i % 8) + 1}`);
const shorten = (text) => (text.length > 18 ? `${text.slice(0, 17)}…` : text);

// `on.hover(index or null)`, `on.zoom(from, to)`, `on.reset()`
export function createChart(host, tip, on) {
  let plot = null, frame = null;
  const hidden = new Set(); // names of series
  const size = () => ({ width: host.clientWidth, height: host.clientHeight });
  const wide = () => host.clientWidth >= WIDE;
  new ResizeObserver(() => plot?.setSize(size())).observe(host);
  document.addEventListener("themechange", () => plot?.redraw());

  function show(next) {
    const same = frame && shape(frame) === shape(next);
    frame = next;
    if (!same) {
      plot?.destroy();
      hidden.clear();
      plot = new uPlot(options(), null, host);
    }
    plot.batch(() => {
      plot.setData([frame.times, ...frame.series.map((one) => one.values ?? frame.times.map(() => null))], false);
      plot.setScale("x", { min: frame.from, max: frame.to });
    });
  }

  function options() {
    const units = [...new Set(frame.series.map((one) => one.unit))];
    const line = { stroke: () => css("--grid"), width: 1 };
    const axis = { font: FONT, stroke: () => css("--muted"), grid: line, ticks: { ...line, size: 5 } };
    return {
      ...size(),
      ms: 1,
      legend: { show: false },
      padding: [10, () => (wide() ? nameWidth() : 16), 0, 0],
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 9, width: 2, fill: () => css("--panel"), stroke: (_, i) => color(i - 1) },
        bind: { dblclick: () => () => on.reset() },
      },
      scales: { x: { time: true }, ...Object.fromEntries(units.map((unit) => [`y:${unit}`, { range: valueRange }])) },
      axes: [
        { ...axis, size: 44, space: 76, values: timeLabels },
        ...units.map((unit, i) => ({
          ...axis, scale: `y:${unit}`, side: i ? 1 : 3, size: axisWidth, space: 40, grid: { ...line, show: i === 0 },
          values: (_, ticks) => ticks.map(numbers(ticks)),
          // Where lines have different units, each axis says whose it is.
          ...(units.length > 1 && { label: unit || "without a unit", labelFont: FONT, labelSize: 18 }),
        })),
      ],
      series: [{}, ...frame.series.map(seriesOptions)],
      hooks: { setCursor: [hovered], setSelect: [selected], draw: [drawNames] },
    };
  }

  function seriesOptions(one, i) {
    const lone = (u, at) => u.data[at].flatMap((value, x, all) => (value != null && all[x - 1] == null && all[x + 1] == null ? [x] : []));
    return {
      label: one.label, scale: `y:${one.unit}`, show: !hidden.has(one.name), width: 2, dash: DASHES[i % 8], stroke: () => color(i),
      points: { size: 6, fill: () => color(i), filter: (u, at, shown) => (shown ? null : lone(u, at)) },
    };
  }

  function nameWidth() {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = BOLD;
    return 16 + Math.max(0, ...frame.series.map((one) => pen.measureText(shorten(one.label)).width));
  }

  // Writes each line's name at its end, so that readers do not depend on colours. Names that would overlap move apart.
  function drawNames(u) {
    if (!wide()) return;
    const { ctx } = u, ratio = uPlot.pxRatio, gap = 15 * ratio;
    const names = frame.series.flatMap((one, i) => {
      const value = u.data[i + 1].findLast((known) => known != null);
      if (value == null || !u.series[i + 1].show) return [];
      return [{ text: shorten(one.label), i, y: u.valToPos(value, `y:${one.unit}`, true) }];
    }).sort((a, b) => a.y - b.y);
    names.forEach((name, i) => { if (i) name.y = Math.max(name.y, names[i - 1].y + gap); });
    const excess = (names.at(-1)?.y ?? 0) - (u.bbox.top + u.bbox.height);
    ctx.save();
    ctx.font = BOLD.replace("12px", `${12 * ratio}px`);
    // Behind the axes on the right.
    const axes = u.axes.filter((axis) => axis.side === 1).reduce((sum, axis) => sum + axis._size + (axis.label ? axis.labelSize : 0), 0);
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    for (const { text, i, y } of names) {
      ctx.fillStyle = color(i);
      ctx.fillText(text, u.bbox.left + u.bbox.width + (axes + 8) * ratio, y - Math.max(0, excess));
    }
    ctx.restore();
  }

  function hovered(u) {
    const at = u.cursor.left >= 0 ? u.cursor.idx : null;
    tip.hidden = at == null || at >= frame.times.length;
    on.hover(tip.hidden ? null : at);
    if (tip.hidden) return;
    const rows = frame.series.map((one, i) => element("div", `row line-${(i % 8) + 1}`,
      element("i"), element("span", "", one.label), valueAt(one, at)));
    const when = (zone) => interval(frame.times[at], frame.bucket, dated(frame.from, frame.to), zone);
    tip.replaceChildren(element("p", "", when()), element("p", "utc", `${when("UTC")} UTC`), ...rows);
    const x = u.over.offsetLeft + u.valToPos(frame.times[at], "x");
    const left = x + 14 + tip.offsetWidth < host.clientWidth ? x + 14 : Math.max(0, x - 14 - tip.offsetWidth);
    tip.style.transform = `translate(${left}px, 12px)`;
  }

  function selected(u) {
    const { left, width } = u.select;
    if (width > 4) on.zoom(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  function valueAt(one, at) {
    const value = one.values?.[at];
    if (value == null) return element("b", "none", one.error ? "not available" : "no event");
    return element("b", "", `${numbers(one.values)(value)} ${one.unit}`.trim());
  }

  function moveTo(at) {
    plot.setCursor({ left: plot.valToPos(frame.times[at], "x"), top: plot.over.clientHeight / 2 });
  }
  const leave = () => plot?.setCursor({ left: -10, top: -10 });

  // Zooms by `factor` around the crosshair, or around the middle.
  function zoomBy(factor) {
    if (!frame) return;
    const middle = frame.times[plot.cursor.idx] ?? (frame.from + frame.to) / 2;
    const half = Math.max(((frame.to - frame.from) * factor) / 2, SHORTEST / 2);
    on.zoom(middle - half, middle + half);
  }

  function toggle(name, visible) {
    visible ? hidden.delete(name) : hidden.add(name);
    plot?.setSeries(frame.series.findIndex((one) => one.name === name) + 1, { show: visible });
  }

  host.addEventListener("pointermove", (event) => {
    if (!plot || event.pointerType === "mouse") return; // a finger that slides sideways moves the crosshair
    const box = plot.over.getBoundingClientRect();
    plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
  });

  const cursor = () => (plot?.cursor.left >= 0 ? plot.cursor.idx : null);
  return { show, toggle, zoomBy, moveTo, leave, cursor, get plot() { return plot; } };
}

// The axis starts at zero where no value is negative and the smallest is less than 60 % of the largest.
function valueRange(_, min, max) {
  if (min == null) return [null, null]; // no axis without values
  const [low, high] = uPlot.rangeNum(min, max, 0.1, true);
  return [min >= 0 && min < max * 0.6 ? 0 : low, high];
}

function axisWidth(u, labels, at) {
  if (!labels) return 40;
  u.ctx.font = u.axes[at].font[0];
  return 14 + Math.ceil(Math.max(...labels.map((label) => u.ctx.measureText(label).width)) / uPlot.pxRatio);
}

// The first label, and the first label of each day, has the date below it.
function timeLabels(_, ticks, __, ___, step) {
  return ticks.map((tick, i) => {
    const day = time(tick, "date");
    if (step >= 86_400_000) return day;
    const clock = time(tick, step < 60_000 ? "clock" : "minute");
    return i && time(ticks[i - 1], "date") === day ? clock : `${clock}\n${day}`;
  });
}

export const measure = (frame) => {
  const one = (key) => [...new Set(frame.series.map((series) => series[key]))];
  const [aggregates, units] = [one("aggregate"), one("unit").filter(Boolean)];
  const what = aggregates.length === 1 ? aggregates[0] : "value";
  return `${what.charAt(0).toUpperCase()}${what.slice(1)} per ${duration(frame.bucket)}${units.length ? `, in ${units.join(" and ")}` : ""}`;
};
