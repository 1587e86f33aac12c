// Asks the server: series and fleet once, and the stream of updates with reconnects.

import { sentence } from "./format.js";

const TIMEOUT = 20_000; // a request that takes longer counts as failed
const SILENCE = 60_000; // a stream that sends no event for so long is opened again

// The server's clock minus ours, known after the first answer: "the last 15 minutes" are the server's.
let skew = 0;
export const now = () => Date.now() + skew;

export class ApiError extends Error {
  constructor(message, permanent) {
    super(message);
    this.permanent = permanent; // the same request will fail again
  }
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  const text = body.detail ?? body.error ?? body.title ?? "no explanation";
  return new ApiError(sentence(`The server answered ${response.status}: ${text}`), response.status >= 400 && response.status < 500);
}

async function get(path, signal) {
  const limit = AbortSignal.timeout(TIMEOUT);
  try {
    const response = await fetch(path, { signal: signal ? AbortSignal.any([signal, limit]) : limit, cache: "no-store" });
    const sent = Date.parse(response.headers.get("date"));
    if (Math.abs(sent - now()) > 2000) skew = sent - Date.now(); // the header has whole seconds
    if (!response.ok) throw await problem(response);
    return await response.json();
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    if (limit.aborted) throw new ApiError(`The server did not answer within ${TIMEOUT / 1000} s.`);
    if (error instanceof SyntaxError) throw new ApiError("The server's answer is not JSON.");
    throw new ApiError("The server cannot be reached.");
  }
}

export const fleet = () => get("api/fleet");

// `bounds` is called when the request is sent; it is called again if the first answer showed that our clock is wrong.
export async function series(bounds, signal) {
  const ask = () => get(`api/series?${new URLSearchParams(bounds(now()))}`, signal);
  const before = skew;
  const answer = await ask();
  return skew === before ? answer : ask();
}

// Follows the stream until `close()`. Calls `on.state` with "open" or "lost".
export function follow(bucket, on) {
  let source, timer, watchdog, wait = 1000;
  const retry = () => {
    source.close();
    clearTimeout(watchdog);
    clearTimeout(timer);
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, 10_000);
    on.state("lost");
  };
  const received = (handle) => (event) => {
    clearTimeout(watchdog);
    watchdog = setTimeout(retry, SILENCE);
    if (event.data) handle(JSON.parse(event.data));
  };
  function open() {
    source = new EventSource(`api/live?bucket=${bucket}`);
    source.onopen = received(() => {});
    source.addEventListener("open", () => { wait = 1000; on.state("open"); });
    source.addEventListener("series", received(on.series));
    source.addEventListener("fleet", received(on.fleet));
    source.onerror = retry;
  }
  open();
  return { close() { source.close(); clearTimeout(timer); clearTimeout(watchdog); } };
}
