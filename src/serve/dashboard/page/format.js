// Numbers, times and durations as text, in the visitor's language and time zone.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const forms = {
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  minute: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  date: { day: "numeric", month: "short" },
};
const formats = Object.fromEntries(Object.entries(forms).flatMap(([name, form]) => [
  [name, new Intl.DateTimeFormat(undefined, form)],
  [`${name}UTC`, new Intl.DateTimeFormat(undefined, { ...form, timeZone: "UTC" })],
]));

export const NONE = "–";
export const count = (value) => (value == null ? NONE : whole.format(value));
export const rate = (value) => (value == null ? NONE : tenth.format(value));
export const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
export const time = (ms, format = "clock") => formats[format].format(ms);

const decimals = {};

// Returns a function that writes every value of one series with the same number of decimals.
export function numbers(values) {
  const known = (values ?? []).filter((value) => value != null);
  const most = Math.max(...known.map(Math.abs), 0);
  const digits = known.every(Number.isInteger) ? 0 : most < 1 ? 4 : most < 1000 ? 2 : 1;
  const format = (decimals[digits] ??= new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return (value) => (value == null ? NONE : format.format(value));
}

// Formats as "5 s", "1 h" or "3 h 12 min": the two largest units that are not zero.
export function duration(ms) {
  const parts = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1000]]
    .map(([unit, size], i, all) => [Math.floor((i ? ms % all[i - 1][1] : ms) / size), unit])
    .filter(([amount]) => amount > 0)
    .slice(0, 2);
  return parts.map(([amount, unit]) => `${amount} ${unit}`).join(" ") || `${Math.max(0, Math.round(ms))} ms`;
}

// Returns whether times of this range need a date: it spans a day or more, or it starts on another day than today.
export const dated = (from, to) => to - from >= 86_400_000 || time(from, "date") !== time(Date.now(), "date");

// Formats as "14:03:05", or as "28 Nov, 14:03" where the date is needed and the bucket has whole minutes.
export function moment(ms, length, withDate) {
  const clock = time(ms, length % 60_000 ? "clock" : "minute");
  return withDate ? `${time(ms, "date")}, ${clock}` : clock;
}

// Formats as "14:03:05 – 14:03:10", in local time or (zone "UTC") in UTC.
export function interval(start, length, withDate, zone = "") {
  const [end, form] = [start + length, length % 60_000 || start % 60_000 ? "clock" : "minute"];
  const days = [start, end].map((ms) => time(ms, `date${zone}`));
  const [first, last] = [start, end].map((ms) => time(ms, form + zone));
  const crosses = days[0] !== days[1];
  return `${withDate || crosses ? `${days[0]}, ` : ""}${first} – ${crosses ? `${days[1]}, ` : ""}${last}`;
}

export function timezone() {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const minutes = -new Date().getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  const offset = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((n) => String(n).padStart(2, "0")).join(":");
  return minutes === 0 ? `Time zone: ${timeZone}` : `Time zone: ${timeZone} (UTC${sign}${offset})`;
}
