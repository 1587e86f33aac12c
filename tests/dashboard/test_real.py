"""The page in front of the program itself, with PostgreSQL, InfluxDB and an instance (DASHBOARD_PROGRAM)."""

import json
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from real import means, points
from test_page import DRAWN, LONG_AGO, QUARTER, keep, ready, status


def past():
    """Returns a range whose points are all written, that cuts no bucket, and has the minute without points of each
    series (minutes 0 and 5 of 17)."""
    last = (int(time.time() * 1000) - 120_000) // 60_000 - QUARTER // 60_000
    start = (last - (last + 1) % 17) * 60_000
    return start, start + QUARTER


def rounded(values):
    return [value if value is None else round(value, 9) for value in values]


def test_the_chart_has_the_values_that_were_written(new_page, real):
    start, end = past()
    page = ready(new_page(), f"{real.url}/#from={start}&to={end}")
    times, high, low = page.evaluate(DRAWN)
    bucket = times[1] - times[0]
    assert times == list(range(start, end, bucket))
    for name, drawn in (("high", high), ("low", low)):
        assert rounded(drawn) == rounded(means(name, times, bucket))
    for drawn in (high, low):
        assert 0 < sum(value is None for value in drawn) < len(drawn) / 2
    keep(page, "real-past")


def test_new_points_appear_by_themselves(new_page, real):
    page = ready(new_page(), f"{real.url}/#range=5m")
    status(page, "Live")
    before = page.evaluate("() => dashboard.view.frame.to")
    now = int(time.time() * 1000)
    try:
        real.sql(f"INSERT INTO high SELECT to_timestamp({now / 1000} + n / 10000.0), 12 FROM generate_series(1, 50) AS n")
        page.wait_for_function("() => dashboard.chart.plot.data[1].slice(-5).some(value => value > 11)", timeout=5_000)
        page.wait_for_function(f"() => dashboard.view.frame.to > {before} + 3000")
        keep(page, "real-live")
    finally:
        real.sql("DELETE FROM high WHERE amount = 12")


def test_a_store_is_away_and_comes_back(new_page, real):
    page = ready(new_page(), f"{real.url}/#range=5m")
    status(page, "Live")
    real.end("influxdb")
    low = page.locator(".tile").nth(1)
    expect(low).to_have_class("tile line-2 failed")
    expect(low.locator(".tile-source")).to_contain_text("InfluxDB")
    before = page.evaluate("() => dashboard.view.frame.to")
    page.wait_for_function(f"() => dashboard.view.frame.to > {before} + 4000")  # the other store's line goes on
    expect(page.locator(".tile").first).to_have_class("tile line-1")
    keep(page, "real-store-away")
    real.start_influxdb()
    expect(page.locator(".tile.failed")).to_have_count(0)
    written = real.written
    missed = points("low", before, written - 10_000)
    page.wait_for_function(
        "([from, to]) => { const [times, , low] = dashboard.chart.plot.data; return times.every((at, i) => at < from || at > to || low[i] != null); }",
        arg=[missed[0][0], missed[-1][0] - 5_000] if len(missed) > 2 else [0, 0],
    )


def test_no_store_answers(new_page, real):
    real.paused.set()
    real.end("influxdb")
    real.end("postgres")
    page = new_page()
    page.goto(real.url)
    expect(page.locator("#message")).to_contain_text("No store answers")
    expect(page.locator("#message")).to_contain_text("PostgreSQL")
    expect(page.locator("#message")).to_contain_text("InfluxDB")
    keep(page, "real-no-store")
    real.start_postgres()
    real.start_influxdb()
    real.paused.clear()
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready", timeout=20_000)
    expect(page.locator(".tile.failed")).to_have_count(0)


def test_an_empty_range(new_page, real):
    page = new_page()
    page.goto(f"{real.url}/{LONG_AGO}")
    expect(page.locator("#message")).to_contain_text("No events in this range")
    keep(page, "real-empty")


def test_a_range_that_is_too_long(new_page, real):
    page = ready(new_page(), f"{real.url}/#from=1&to={int(time.time() * 1000)}")
    assert len(page.evaluate(DRAWN)[0]) < 202


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1440, "dark")])
def test_screens(new_page, real, width, scheme):
    page = ready(new_page(width=width, height=844, scheme=scheme, has_touch=width < 500), f"{real.url}/#range=1h")
    expect(page.locator("#cards h3").first).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    keep(page, f"real-{width}-{scheme}")


def test_the_instances(new_page, real):
    page = ready(new_page(), real.url)
    expect(page.locator("#cards h3")).to_have_text(["delivery", "gone"])
    delivery, gone = page.locator("#cards .card").all()
    said = json.loads(real.http("instance", "/status"))
    for text in ("Running", f"{said['topic']} → {said['sink']}", "336", "group streamproc-delivery"):
        expect(delivery).to_contain_text(text)
    assert sum(said["dead_letters"].values()) == 7 and said["ignored"] == {"ShippingPricesEstimatedEvent": 57}
    expect(delivery.locator("[data-reasons=ignored]")).to_have_text("Ignored by ShippingPricesEstimatedEvent57")
    expect(delivery.locator("[data-reasons=dead_letters] .reasons-head")).to_have_text("Dead letters7")
    expect(delivery.locator("[data-field=lag]")).to_have_text("0")
    expect(gone).to_contain_text("Away")
    expect(gone).to_contain_text("refused")
    expect(page.locator("#fleet-summary")).to_contain_text("1 of 2 running")


@pytest.mark.parametrize(("width", "scheme"), [(1000, "light"), (390, "dark")])
def test_the_page_of_an_instance(new_page, real, width, scheme):
    page = new_page(width=width, height=844, scheme=scheme)
    page.goto(f"http://127.0.0.1:{real.ports['instance']}/")
    expect(page.locator("h1")).to_have_text("DELIVERY running")
    for text in ("local.events.delivery_events", "streamproc-delivery", "336", "ShippingPricesEstimatedEvent", "invalid_json"):
        expect(page.locator("main")).to_contain_text(text)
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    keep(page, f"instance-{width}-{scheme}")
    page.evaluate("() => { window.loaded = document.querySelector('main'); }")
    page.wait_for_function("() => document.querySelector('main') !== window.loaded", timeout=8_000)
    expect(page.locator("#note")).to_have_text("Looks again every 5 s.")
    page.get_by_role("link", name="/readyz").click()
    expect(page.locator("body")).to_contain_text('{"status":"ok"}')


def test_it_ends_with_open_pages(new_page, real):
    page = ready(new_page(), real.url)
    status(page, "Live")
    began = time.monotonic()
    assert real.end("dashboard") == 0
    assert time.monotonic() - began < 5
    status(page, "Reconnecting")
