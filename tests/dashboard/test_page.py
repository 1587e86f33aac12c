"""The dashboard's page in Chromium: what it shows, how it is used, and how it behaves when something fails.

The tests that use the fixture `mock` change its faults; the others also run in front of a real server
(DASHBOARD_URL).
"""

import json
import os
import pathlib
import re
import time
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

expect.set_options(timeout=15_000)
QUARTER = 900_000
FRAME = "() => { const f = dashboard.view.frame; return f && {from: f.from, to: f.to, bucket: f.bucket, times: f.times, series: f.series}; }"
DRAWN = "() => dashboard.chart.plot.data"
LONG_AGO = "#from=1000000000&to=1000900000"


def api(url, path):
    with urllib.request.urlopen(url + path, timeout=30) as answer:
        return json.load(answer)


def ready(page, address):
    page.goto(address)
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")
    return page


def keep(page, name):
    if os.environ.get("DASHBOARD_SHOTS"):
        page.screenshot(path=str(pathlib.Path(os.environ["DASHBOARD_SHOTS"]) / f"{name}.png"), full_page=True)


def status(page, text, timeout=15_000):
    expect(page.locator("#status")).to_have_text(text, timeout=timeout)


def plot_box(page):
    return page.locator(".u-over").bounding_box()


def drag(page, start, end):
    box = plot_box(page)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=6)
    page.mouse.up()


def past(url):
    """Returns a range that no longer changes, and what the API says about it."""
    to = api(url, "/api/series")["to"] - 60_000
    return f"#from={to - QUARTER}&to={to}", api(url, f"/api/series?from={to - QUARTER}&to={to}")


# What is shown


def test_the_chart_has_the_values_of_the_api(new_page, url):
    address, expected = past(url)
    page = ready(new_page(), f"{url}/{address}")
    times, *lines = page.evaluate(DRAWN)
    assert times == expected["times"]
    assert lines == [one["values"] or [None] * len(times) for one in expected["series"]]
    assert any(value is not None for value in lines[0]), "the range has no values: produce some first"
    scale = page.evaluate("() => { const {min, max} = dashboard.chart.plot.scales.x; return [min, max]; }")
    assert scale == [expected["from"], expected["to"]]


def test_the_table_has_the_values_of_the_api(new_page, url):
    address, expected = past(url)
    page = ready(new_page(), f"{url}/{address}")
    page.get_by_text("Values as a table").click()
    rows = page.eval_on_selector_all(
        "#values tbody tr",
        "rows => rows.map(row => [Date.parse(row.querySelector('time').dateTime), ...[...row.querySelectorAll('data')].map(d => d.value)])",
    )
    assert [row[0] for row in rows] == expected["times"][::-1]
    for column, one in enumerate(expected["series"], 1):
        shown = [float(row[column]) if row[column] else None for row in rows]
        assert shown == (one["values"] or [None] * len(rows))[::-1]
    expect(page.locator("#values thead th")).to_have_text(["Time", *[one["label"] for one in expected["series"]]])


def test_the_lines_are_painted(new_page, url):
    page = ready(new_page(), url)
    painted = page.evaluate("""() => {
      const canvas = document.querySelector(".uplot canvas");
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const near = (hex) => { const [r, g, b] = hex.match(/\\w\\w/g).map(x => parseInt(x, 16)); let n = 0;
        for (let i = 0; i < pixels.length; i += 4)
          if (pixels[i + 3] > 200 && Math.abs(pixels[i] - r) + Math.abs(pixels[i + 1] - g) + Math.abs(pixels[i + 2] - b) < 12) n++;
        return n; };
      const css = getComputedStyle(document.documentElement);
      return [1, 2].map(i => near(css.getPropertyValue(`--series-${i}`)));
    }""")
    assert all(count > 200 for count in painted), painted


def test_hover_shows_bucket_and_values(new_page, mock):
    address, expected = past(mock.url)
    page = ready(new_page(), f"{mock.url}/{address}")
    box = plot_box(page)
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
    expect(page.locator("#tip")).to_be_visible()
    at = page.evaluate("() => dashboard.chart.cursor()")
    assert abs(at / len(expected["times"]) - 0.4) < 0.02
    clock = time.strftime("%H:%M:%S", time.gmtime(expected["times"][at] / 1000))
    expect(page.locator("#tip .utc")).to_contain_text(clock)
    expect(page.locator("#tip .utc")).to_contain_text("UTC")
    for row, tile, one in zip(page.locator("#tip .row").all(), page.locator("#tiles .tile").all(), expected["series"], strict=True):
        value = one["values"][at]
        expect(row).to_contain_text("no event" if value is None else f"{value:.2f}")
        expect(tile.locator("b")).to_have_text("–" if value is None else f"{value:.2f}")
    keep(page, "hover")
    page.mouse.move(5, 5)
    expect(page.locator("#tip")).to_be_hidden()
    latest = next(value for value in reversed(expected["series"][0]["values"]) if value is not None)
    expect(page.locator("#tiles b").first).to_have_text(f"{latest:.2f}")


def test_title_and_colours_follow_the_number_of_series(new_page, mock):
    for count, title in ((1, "High"), (3, "High, Low, and Area 3"), (8, "8 series")):
        mock.faults.count = count
        page = ready(new_page(), mock.url)
        expect(page.locator("h1")).to_have_text(title)
        assert page.title() == f"{title} · generic-consumer"
        expect(page.locator("#tiles .tile")).to_have_count(count)
        assert len(page.evaluate(DRAWN)) == count + 1
    keep(page, "eight-series")


def test_a_tile_hides_its_line(new_page, url):
    page = ready(new_page(), url)
    tile = page.locator("#tiles .tile").first
    tile.click()
    expect(tile).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("() => dashboard.chart.plot.series.map(s => s.show)")[1] is False
    tile.click()
    assert page.evaluate("() => dashboard.chart.plot.series.map(s => s.show)")[1] is True


def test_names_of_the_server_are_text(new_page, mock):
    mock.faults.fleet = [{**mock.fleet()["instances"][0], "name": "<img src=x onerror=alert(1)>", "dead_letters": {"<b>x</b>": 1}}]
    page = ready(new_page(), mock.url)
    expect(page.locator("#cards h3")).to_have_text("<img src=x onerror=alert(1)>")
    assert page.locator("#cards img, #cards li b b").count() == 0


# The range


def test_range_buttons(new_page, url):
    page = ready(new_page(), url)
    expect(page.get_by_role("button", name="15 min", exact=True)).to_have_attribute("aria-pressed", "true")
    for name, key, span in (("5 min", "5m", 300_000), ("1 h", "1h", 3_600_000), ("7 d", "7d", 604_800_000)):
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_function(f"() => dashboard.view.frame && Math.abs(dashboard.view.frame.to - dashboard.view.frame.from - {span}) < 1000")
        assert page.url.endswith(f"#range={key}")
        expect(page.locator("#ranges [aria-pressed=true]")).to_have_text(name)
    page.go_back()
    expect(page.locator("#ranges [aria-pressed=true]")).to_have_text("1 h")


def test_a_link_keeps_the_range(new_page, url):
    page = ready(new_page(), f"{url}/#range=6h")
    frame = page.evaluate(FRAME)
    assert frame["to"] - frame["from"] == 21_600_000
    page = ready(new_page(), f"{url}/#range=nonsense")
    expect(page.locator("#ranges [aria-pressed=true]")).to_have_text("15 min")


def test_zoom_by_dragging_and_back(new_page, url):
    page = ready(new_page(), f"{url}/#range=6h")
    before = page.evaluate(FRAME)
    drag(page, 0.5, 0.6)
    page.wait_for_function(f"() => dashboard.view.frame.bucket < {before['bucket']}")
    zoomed = page.evaluate(FRAME)
    middle = before["from"] + (before["to"] - before["from"]) * 0.55
    assert zoomed["from"] < middle < zoomed["to"]
    assert zoomed["to"] - zoomed["from"] == pytest.approx(2_160_000, rel=0.05)
    assert re.search(r"#from=\d+&to=\d+$", page.url)
    status(page, "Paused")
    expect(page.locator("#pause")).to_have_text("Back to live")
    keep(page, "zoomed")
    page.wait_for_timeout(1000)
    assert page.evaluate(FRAME)["to"] == zoomed["to"], "a range that stands still must not move"
    box = plot_box(page)
    page.mouse.dblclick(box["x"] + 100, box["y"] + 100)
    status(page, "Live")
    page.wait_for_function(f"() => dashboard.view.frame.bucket === {before['bucket']}")
    assert page.url.endswith("#range=6h")


def test_zoom_buttons_and_browser_history(new_page, url):
    page = ready(new_page(), f"{url}/#range=1h")
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function("() => dashboard.view.frame.to - dashboard.view.frame.from === 1800000")
    page.get_by_role("button", name="Zoom out").click()
    page.wait_for_function("() => dashboard.view.frame.to - dashboard.view.frame.from === 3600000")
    page.go_back()
    page.go_back()
    page.wait_for_url("**/#range=1h")
    status(page, "Live")


def test_the_range_follows_the_servers_clock(new_page, mock):
    page = new_page()
    page.clock.install(time=time.time() - 3600)
    page.goto(mock.url)
    page.clock.run_for(2000)
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")
    assert abs(page.evaluate(FRAME)["to"] / 1000 - time.time()) < 15


# Live


def test_live_update_moves_the_line(new_page, mock):
    page = ready(new_page(), f"{mock.url}/#range=5m")
    status(page, "Live")
    page.evaluate("() => { window.notReloaded = true; }")
    first = page.evaluate(FRAME)
    page.wait_for_function(f"() => dashboard.view.frame.times.at(-1) >= {first['times'][-1] + 2 * first['bucket']}")
    asked = [query for path, query in mock.requests if path == "/api/series"]
    assert len(asked) == 1, "the updates come from the stream"
    last = page.evaluate(FRAME)
    assert page.evaluate("() => window.notReloaded")
    assert last["times"][0] > first["times"][0]
    assert last["to"] - last["from"] == 300_000
    expected = mock.series(last["from"], last["to"], last["bucket"])
    assert last["times"] == expected["times"]
    assert [one["values"] for one in last["series"]] == [one["values"] for one in expected["series"]]


def test_live_update_on_the_real_clock(new_page, url):
    page = ready(new_page(), f"{url}/#range=5m")
    status(page, "Live")
    before = page.evaluate(FRAME)["to"]
    page.wait_for_function(f"() => dashboard.view.frame.to > {before}", timeout=30_000)


def test_pause_and_back_to_live(new_page, url):
    page = ready(new_page(), url)
    status(page, "Live")
    page.get_by_role("button", name="Pause").click()
    status(page, "Paused")
    frozen = page.evaluate(FRAME)["to"]
    page.wait_for_timeout(1500)
    assert page.evaluate(FRAME)["to"] == frozen
    page.get_by_role("button", name="Back to live").click()
    status(page, "Live")
    page.wait_for_function(f"() => dashboard.view.frame.to > {frozen}")


def test_a_lost_stream_reconnects_and_fills_the_gap(new_page, mock):
    page = ready(new_page(), f"{mock.url}/#range=5m")
    status(page, "Live")
    mock.faults.stream = False
    status(page, "Reconnecting")
    expect(page.locator("#cards")).to_have_class(re.compile("stale"))
    keep(page, "reconnecting")
    lost = page.evaluate(FRAME)
    page.wait_for_timeout(4 * lost["bucket"])
    mock.faults.stream = True
    status(page, "Live", timeout=20_000)
    page.wait_for_function(f"() => dashboard.view.frame.times.at(-1) > {lost['times'][-1] + 3 * lost['bucket']}")
    frame = page.evaluate(FRAME)
    steps = {after - before for before, after in zip(frame["times"], frame["times"][1:])}
    assert steps == {frame["bucket"]}


# Faults


def test_a_store_goes_away_and_comes_back(new_page, mock):
    page = ready(new_page(), f"{mock.url}/#range=5m")
    status(page, "Live")
    high, low = page.locator("#tiles .tile").all()
    mock.faults.away = ["low"]
    expect(low).to_have_class(re.compile("failed"))
    expect(low).to_contain_text("InfluxDB has not answered for 12 s: connection refused")
    expect(high).not_to_have_class(re.compile("failed"))
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")
    gone = page.evaluate(FRAME)
    page.wait_for_function(f"() => dashboard.view.frame.times.at(-1) >= {gone['times'][-1] + 7 * gone['bucket']}")
    _, high_line, low_line = page.evaluate(DRAWN)
    assert low_line[-5:] == [None] * 5 and any(value is not None for value in high_line[-3:])
    keep(page, "store-away")
    mock.faults.away = []
    expect(low).not_to_have_class(re.compile("failed"))
    page.wait_for_function("() => dashboard.chart.plot.data[2].slice(-5, -1).filter(v => v != null).length >= 3")
    frame = page.evaluate(FRAME)
    expected = mock.series(frame["from"], frame["to"], frame["bucket"])
    assert frame["series"][1]["values"] == expected["series"][1]["values"], "the time without the store is filled"


def test_a_store_is_away_from_the_start(new_page, mock):
    mock.faults.away = ["low"]
    page = ready(new_page(), mock.url)
    expect(page.locator(".tile.failed")).to_have_count(1)
    assert any(value is not None for value in page.evaluate(DRAWN)[1])
    assert all(value is None for value in page.evaluate(DRAWN)[2])
    mock.faults.away = []
    expect(page.locator(".tile.failed")).to_have_count(0)
    page.wait_for_function("() => dashboard.chart.plot.data[2].filter(v => v != null).length > 100")


def test_no_store_answers(new_page, mock):
    mock.faults.away = ["high", "low"]
    page = new_page()
    page.goto(mock.url)
    expect(page.locator("#message")).to_contain_text("No store answers")
    expect(page.locator("#message")).to_contain_text("PostgreSQL has not answered")
    mock.faults.away = []
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")


def test_an_empty_range(new_page, mock):
    mock.faults.empty = True
    page = new_page()
    page.goto(mock.url)
    expect(page.locator("#chart")).to_have_attribute("data-state", "empty")
    expect(page.locator("#message")).to_contain_text("No events in this range")
    keep(page, "empty")
    page.get_by_role("button", name="Show the last 1 h").click()
    expect(page.locator("#ranges [aria-pressed=true]")).to_have_text("1 h")
    mock.faults.empty = False
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready", timeout=20_000)


def test_the_server_is_away_and_comes_back(new_page, mock):
    mock.faults.status, mock.faults.stream = 500, False
    page = new_page()
    page.goto(mock.url)
    expect(page.locator("#message")).to_have_attribute("role", "alert")
    expect(page.locator("#message")).to_contain_text("The server answered 500: the test says so.")
    expect(page.locator("#fleet-banner")).to_be_visible()
    status(page, "Reconnecting")
    keep(page, "server-away")
    mock.faults.status, mock.faults.stream = 200, True
    page.get_by_role("button", name="Try again now").click()
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")
    status(page, "Live")
    expect(page.locator("#fleet-banner")).to_be_hidden()


def test_the_server_comes_back_without_a_click(new_page, mock):
    page = new_page()
    page.route("**/api/**", lambda route: route.abort())
    page.goto(mock.url)
    expect(page.locator("#message")).to_contain_text("The server cannot be reached.")
    page.unroute("**/api/**")
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")
    expect(page.locator("#cards h3")).to_have_text(["high", "low"])


def test_what_is_shown_stays_when_a_reload_fails(new_page, mock):
    page = ready(new_page(), f"{mock.url}/#range=5m")
    status(page, "Live")
    mock.faults.stream = False
    status(page, "Reconnecting")
    mock.faults.status, mock.faults.stream = 500, True
    expect(page.locator("#banner")).to_contain_text("The chart may be out of date.")
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")
    keep(page, "out-of-date")
    mock.faults.status = 200
    expect(page.locator("#banner")).to_be_hidden()


def test_a_range_that_the_server_refuses(new_page, mock):
    page = new_page()
    page.route("**/api/series?*from=1000000000&*", lambda route: route.fulfill(
        status=400, content_type="application/problem+json", body='{"title": "bad range", "detail": "the range has too many buckets"}'))
    page.goto(f"{mock.url}/{LONG_AGO}")
    expect(page.locator("#message")).to_contain_text("The server answered 400: the range has too many buckets.")
    page.get_by_role("button", name="Show the last 15 minutes").click()
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")


def test_loading_does_not_move_the_page(new_page, mock):
    mock.faults.delay = 1.5
    page = new_page()
    page.goto(mock.url)
    expect(page.locator("#chart")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#message")).to_contain_text("Loading")
    places = "() => ['#chart', '#values', '#tiles', '#pause', '#cards'].map(id => { const b = document.querySelector(id).getBoundingClientRect(); return [b.x, b.y, b.width]; })"
    before = page.evaluate(places)
    page.wait_for_timeout(400)
    keep(page, "loading")
    expect(page.locator("#chart")).to_have_attribute("data-state", "ready")
    expect(page.locator("#cards h3").first).to_be_visible()
    assert page.evaluate(places) == before


# The instances


def test_instances(new_page, mock):
    page = ready(new_page(), mock.url)
    high, low = page.locator("#cards .card").all()
    for text in ("Running", "amounts → postgres streamproc.public.high", "98.2", "group streamproc-high", "up 3 h 12 min"):
        expect(high).to_contain_text(text)
    expect(high.locator("[data-reasons=dead_letters] li")).to_have_text(["wrong type31", "filter error7", "invalid json2"])
    expect(high.locator("[data-reasons=dead_letters] .reasons-head")).to_have_text("Dead letters40")
    expect(low.locator("[data-reasons=ignored]")).to_have_text("Ignored by filter120,345")
    high.locator("summary").click()
    expect(high.locator("tbody tr")).to_have_text(["012", "13", "2unknown"], use_inner_text=False)
    expect(high.locator("tbody")).to_be_visible()
    page.wait_for_timeout(800)
    expect(high.locator("details")).to_have_attribute("open", "")  # updates do not close it
    expect(page.locator("#fleet-summary")).to_contain_text("2 of 2 running")


def test_every_state_of_an_instance(new_page, mock):
    base = mock.fleet()["instances"][0]
    states = ["starting", "running", "paused", "stuck", "disabled", "stopping"]
    away = {**{key: None for key in base}, "name": "low", "url": "http://127.0.0.1:9466", "state": "away", "detail": "connection refused"}
    waiting = {**base, "name": "waiting", "detail": "the oldest record has waited for postgres public.high for 14 s"}
    mock.faults.fleet = [*[{**base, "name": state, "state": state, "lag": None} for state in states], waiting, {**base, "name": "odd", "state": "constructor"}, away]
    page = ready(new_page(width=1000), mock.url)
    expect(page.locator("#cards .state")).to_have_text([*states, "waiting", "constructor", "away"], ignore_case=True)
    expect(page.locator("#fleet-summary")).to_contain_text("1 of 9 running")
    expect(page.locator("#cards .card").last).to_contain_text("connection refused")
    expect(page.locator("#cards .card").first.locator("[data-field=lag]")).to_have_text("unknown")
    keep(page, "states")
    mock.faults.fleet = []
    expect(page.locator(".fleet")).to_be_hidden()


# Units


@pytest.mark.parametrize("width", [1280, 390])
def test_units_and_labels_overlap_nothing(new_page, mock, width):
    mock.faults.count, mock.faults.units = 3, ["EUR per MWh", "", "°C"]
    page = ready(new_page(width=width), mock.url)
    for tile in page.locator(".tile").all():
        parts = [tile.locator(name).bounding_box() for name in (".tile-value", ".tile-when")]
        value, when = sorted(parts, key=lambda box: (box["y"], box["x"]))
        beside = value["x"] + value["width"] <= when["x"]
        assert beside or value["y"] + value["height"] <= when["y"], parts
    keep(page, f"units-{width}")


# Screens, colours, keyboards, screen readers


@pytest.mark.parametrize("width", [320, 390, 820, 1440])
def test_no_horizontal_scroll(new_page, mock, width):
    mock.faults.away = ["low"]
    page = ready(new_page(width=width, height=844, has_touch=width < 500), mock.url)
    page.get_by_text("Values as a table").click()
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    small = page.evaluate("""() => [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && e.childNodes.length
      && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 12
      && parseFloat(getComputedStyle(e).fontSize) > 0).map(e => e.outerHTML)""")
    assert small == []
    if width < 500:
        heights = page.eval_on_selector_all(".controls button", "all => all.map(b => b.getBoundingClientRect().height)")
        assert min(heights) >= 40
    keep(page, f"width-{width}")


def test_a_finger_moves_the_crosshair(new_page, url):
    page = ready(new_page(width=390, height=844, has_touch=True, is_mobile=True), url)
    box = plot_box(page)
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#tip")).to_be_visible()
    tip = page.locator("#tip").bounding_box()
    assert tip["x"] >= 0 and tip["x"] + tip["width"] <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_a_choice_is_remembered(new_page, url, scheme):
    page = ready(new_page(scheme=scheme), url)
    background = "() => getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(244, 246, 248)", "rgb(15, 20, 25)"
    assert page.evaluate(background) == (light if scheme == "light" else dark)
    keep(page, scheme)
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(background) == light
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(background) == dark
    ready(page, url)
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Theme: dark").click()
    expect(page.get_by_role("button", name="Theme: auto")).to_be_visible()


def test_the_keyboard_reads_and_zooms(new_page, url):
    address, expected = past(url)
    page = ready(new_page(), f"{url}/{address}")
    page.locator("#chart").focus()
    page.keyboard.press("End")
    assert page.evaluate("() => dashboard.chart.cursor()") == len(expected["times"]) - 1
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("() => dashboard.chart.cursor()") == len(expected["times"]) - 2
    value = expected["series"][0]["values"][-2]
    expect(page.locator("#readout")).to_contain_text(f"{expected['series'][0]['label']} {'no event' if value is None else f'{value:.2f}'}")
    page.keyboard.press("+")
    page.wait_for_function("() => dashboard.view.frame.to - dashboard.view.frame.from === 450000")
    page.keyboard.press("Escape")
    page.wait_for_url("**/#range=15m")
    status(page, "Live")


def test_every_control_can_be_reached_by_tab(new_page, mock):
    page = ready(new_page(), mock.url)
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id || document.activeElement.value || document.activeElement.tagName"))
    wanted = ["theme", "5m", "15m", "1h", "6h", "24h", "7d", "zoom-out", "zoom-in", "pause", "chart", "SUMMARY"]
    assert [one for one in reached if one in wanted][: len(wanted)] == wanted


def test_the_chart_is_described(new_page, url):
    page = ready(new_page(), url)
    label = page.locator("#chart").get_attribute("aria-label")
    for one in page.evaluate(FRAME)["series"]:
        assert one["label"] in label
    assert "latest" in label
    expect(page.locator("#status")).to_have_attribute("role", "status")
    page.get_by_text("Values as a table").click()
    expect(page.get_by_role("table", name="Values of each bucket")).to_be_visible()


def test_reduced_motion(new_page, mock):
    mock.faults.delay = 2
    page = new_page(reduced_motion="reduce")
    page.goto(mock.url)
    expect(page.locator("#message")).to_contain_text("Loading")
    page.wait_for_timeout(300)
    moving = page.evaluate("() => document.getAnimations().filter(a => a.playState === 'running').length")
    assert moving == 0


@pytest.mark.parametrize("state", ["ready", "away", "error", "loading", "empty", "lost"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(new_page, mock, state, scheme):
    faults = {"away": {"away": ["low"]}, "error": {"status": 500}, "loading": {"delay": 5}, "empty": {"empty": True}}
    vars(mock.faults).update(faults.get(state, {}))
    page = new_page(scheme=scheme, reduced_motion="reduce")
    page.goto(mock.url)
    expected = {"away": "ready", "lost": "ready"}.get(state, state)
    expect(page.locator("#chart")).to_have_attribute("data-state", expected)
    if state == "lost":
        status(page, "Live")
        mock.faults.stream = False
        status(page, "Reconnecting")
    elif state == "ready":
        page.get_by_text("Values as a table").click()
    page.wait_for_timeout(300)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


# The policy and the licence


def test_nothing_is_inline(url):
    with urllib.request.urlopen(url + "/", timeout=30) as answer:
        policy, html = answer.headers["content-security-policy"], answer.read().decode()
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)|https?://", html)


def test_the_licence_is_served(url):
    with urllib.request.urlopen(url + "/assets/uPlot-LICENSE.txt", timeout=30) as answer:
        assert "Leon Sorokin" in answer.read().decode()
