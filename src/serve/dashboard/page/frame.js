// The time range that is shown, and merging an update of the last few buckets into it.

export const RANGES = {
  "5m": ["5 min", 300_000], "15m": ["15 min", 900_000], "1h": ["1 h", 3_600_000],
  "6h": ["6 h", 21_600_000], "24h": ["24 h", 86_400_000], "7d": ["7 d", 604_800_000],
};
export const SHORTEST = 10_000;

// A range is `{last: "15m"}`, which follows the clock, or `{from, to}`, which is fixed. The page's address keeps it.
export function fromHash(hash) {
  const given = new URLSearchParams(hash.slice(1));
  const [from, to] = [Number(given.get("from")), Number(given.get("to"))];
  if (from > 0 && to > from) return { from, to };
  return { last: Object.hasOwn(RANGES, given.get("range")) ? given.get("range") : "15m" };
}
export const toHash = (range) => (range.last ? `#range=${range.last}` : `#from=${range.from}&to=${range.to}`);
export const span = (range) => (range.last ? RANGES[range.last][1] : range.to - range.from);
export const bounds = (range, now) => (range.last ? { from: now - span(range), to: now } : range);

// Returns `frame` with the values of `update`. A range that follows the clock moves on; a fixed one does not.
export function merge(frame, update, range) {
  const to = range.last ? Math.max(frame.to, update.to) : frame.to;
  const from = range.last ? to - span(range) : frame.from;
  const inside = (time) => time > from - frame.bucket && time < to;
  const times = [...new Set([...frame.times, ...update.times])].filter(inside).sort((a, b) => a - b);
  const series = frame.series.map((old) => {
    const fresh = update.series.find((one) => one.name === old.name) ?? old;
    const byTime = new Map(frame.times.map((time, i) => [time, old.values?.[i]]));
    if (fresh !== old) fresh.values?.forEach((value, i) => byTime.set(update.times[i], value));
    return { ...fresh, values: times.map((time) => byTime.get(time) ?? null) };
  });
  return { ...frame, from, to, times, series, partial: update.partial };
}

// Returns whether the whole range must be loaded again: the series changed, a store is back, or buckets are missing in between.
export function outdated(frame, update, range) {
  const names = (one) => one.series.map((series) => series.name).join("\n");
  const back = update.series.some((fresh) => !fresh.error && frame.series.find((old) => old.name === fresh.name)?.error);
  const gap = range.last && update.times[0] > frame.times.at(-1) + frame.bucket;
  return names(frame) !== names(update) || back || gap;
}

// Two frames with the same shape have the same lines.
export const shape = (frame) => JSON.stringify(frame.series.map((one) => [one.name, one.label, one.unit]));

export const isEmpty = (frame) => frame.series.every((one) => (one.values ?? []).every((value) => value == null));
