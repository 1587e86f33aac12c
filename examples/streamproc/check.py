"""What `CHECK=1 make streamproc` compares: the events on the topic, as a client that is not ours reads them, with the
rows in PostgreSQL, the points in InfluxDB and the lines of the chart."""

import collections
import json
import math
import os
import shutil

import kafka
from processes import Failed, wait_until

TOPIC = "streamproc.amounts.v1"
WRITTEN_WITHIN = 60
CHART_WITHIN_MS = 30_000
MARGIN_MS = 60_000


def run(system, producer):
    code = producer.child.wait(timeout=None)
    if code != 0:
        raise Failed(f"the producer ended with {code}. The end of {producer.log}:\n{producer.tail()}")
    produced = system.args.check
    system.say("produced", f"{produced:,} events")
    wait_until(f"all of the {produced:,} events are written", lambda: sum(system.written()) >= produced, WRITTEN_WITHIN, system.processes)
    events = on_the_topic(system.kafka.address, produced)
    high = [(at, amount) for at, amount in events if amount > 5]
    low = [(at, amount) for at, amount in events if amount <= 5]
    same("high", high, in_postgres(system.postgres))
    same("low", low, in_influxdb(system.influx))
    system.say("compared", f"{len(high):,} rows in PostgreSQL + {len(low):,} points in InfluxDB = {len(events):,} events, each once")
    on_the_chart(system, {"high": high, "low": low})


def same(name, produced, stored):
    produced = collections.Counter(amount for _, amount in produced)
    if produced != stored:
        missing, more = produced - stored, stored - produced
        raise Failed(f"{name}: {missing.total()} amounts are missing {list(missing)[:5]}, {more.total()} too many {list(more)[:5]}")


def on_the_topic(address, count):
    """The time (ms) and the amount of each record."""
    events = [(it.timestamp()[1], json.loads(it.value())["amount"]) for it in kafka.messages(address, TOPIC)]
    if len(events) != count:
        raise Failed(f"{TOPIC} has {len(events):,} events, and {count:,} were produced")
    return events


def in_postgres(postgres):
    return collections.Counter(float(line) for line in postgres.query("SELECT amount FROM high"))


def in_influxdb(influx):
    answer = json.loads(influx.query('SELECT "amount" FROM "low"'))
    return collections.Counter(value for _, value in answer["results"][0]["series"][0]["values"])


def on_the_chart(system, events):
    """Compares each point that the page has drawn with the mean of its events, and saves what the page looks like."""
    from playwright.sync_api import expect, sync_playwright

    times = [at for line in events.values() for at, _ in line]
    address = f"{system.page}/#from={min(times) - MARGIN_MS}&to={max(times) + MARGIN_MS}"
    shot = system.logs / "dashboard.png"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(address)
        expect(page.locator("#chart")).to_have_attribute("data-state", "ready", timeout=CHART_WITHIN_MS)
        frame = page.evaluate("() => ({bucket: dashboard.view.frame.bucket, names: dashboard.view.frame.series.map(one => one.name)})")
        buckets, *lines = page.evaluate("() => dashboard.chart.plot.data")
        points = 0
        for name, line in zip(frame["names"], lines, strict=True):
            drawn = {at: value for at, value in zip(buckets, line, strict=True) if value is not None}
            expected = means(events[name], frame["bucket"])
            if drawn.keys() != expected.keys() or not all(math.isclose(drawn[at], expected[at]) for at in drawn):
                raise Failed(f"the line {name} has {drawn}, and the events say {expected}")
            points += len(drawn)
        # What people see first: the last minutes, live.
        page.goto("about:blank")
        page.goto(system.page)
        expect(page.locator("#chart")).to_have_attribute("data-state", "ready", timeout=CHART_WITHIN_MS)
        expect(page.locator(".card:not(.placeholder)")).to_have_count(2, timeout=CHART_WITHIN_MS)
        page.screenshot(path=shot)
        browser.close()
    system.say("the chart", f"{points} points, each the mean of its events; {shot}")


def chromium():
    found = os.environ.get("DASHBOARD_CHROMIUM") or shutil.which("chromium")
    if not found:
        raise Failed("Chromium is missing: install the package chromium, or name its file in DASHBOARD_CHROMIUM")
    return found


def means(events, bucket):
    sums = collections.defaultdict(list)
    for at, amount in events:
        sums[at // bucket * bucket].append(amount)
    return {at: math.fsum(amounts) / len(amounts) for at, amounts in sums.items()}
