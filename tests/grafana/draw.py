"""Draws the rendered Grafana dashboard with the numbers of a Prometheus, without Grafana: each panel's queries, in
the dashboard's grid.

    draw.py http://prometheus:9090 dashboard.png --instance orders --minutes 180

It shows what the queries give: empty panels, wrong units, lines that nobody can tell apart. It does not show what
Grafana makes of the JSON."""

import argparse
import datetime
import math
import pathlib
import re
import sys
import time

import matplotlib

matplotlib.use("agg")
import matplotlib.dates as dates  # noqa: E402
import matplotlib.pyplot as plot  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flake"))
import grafana  # noqa: E402
from prometheus import ask  # noqa: E402

INK, FAINT, RED = "#24292e", "#9aa0a6", "#d64545"
COLOURS = ["#3274d9", "#e0752d", "#629e51", "#a352cc", "#e5ac0e", "#0a98a8", "#bf1b00", "#7a7a7a"]
# Inches of a unit of the grid's width and height.
WIDE, HIGH = 0.72, 0.30
LEGENDS = 6
# Points that a line has.
STEPS = 240


def scaled(value, names, base):
    for name in names[:-1]:
        if abs(value) < base:
            return f"{value:.3g} {name}".strip()
        value /= base
    return f"{value:.3g} {names[-1]}"


def seconds(value):
    if value == 0:
        return "0 s"
    if abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    for name, length in (("s", 60), ("min", 60), ("h", 24)):
        if abs(value) < length:
            return f"{value:.3g} {name}"
        value /= length
    return f"{value:.3g} d"


UNITS = {
    "short": lambda value: scaled(value, ["", "K", "M", "G"], 1000),
    "bytes": lambda value: scaled(value, ["B", "KiB", "MiB", "GiB"], 1024),
    "Bps": lambda value: scaled(value, ["B/s", "kB/s", "MB/s", "GB/s"], 1000),
    "reqps": lambda value: scaled(value, ["/s", "K/s", "M/s"], 1000),
    "percentunit": lambda value: f"{value * 100:.3g} %",
    "currencyUSD": lambda value: f"${value:.3g}",
    "s": seconds,
}


def legend(pattern, labels):
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), pattern).strip()


def lines(panel, ask, variables):
    """The lines of a panel: (legend, times, values), with those that are NaN left out."""
    found = []
    for target in panel["targets"]:
        for labels, points in ask(grafana.query(target["expr"], variables)):
            points = [(moment, value) for moment, value in points if value == value and abs(value) != float("inf")]
            if points:
                found.append((legend(target["legendFormat"], labels), *zip(*points)))
    return found


def utc(moment):
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)


def draw_panel(axis, panel, found, span):
    defaults = panel["fieldConfig"]["defaults"]
    axis.set_title(panel["title"], loc="left", fontsize=9, color=INK, fontweight="bold", pad=5)
    axis.tick_params(labelsize=7, colors=INK, length=2)
    axis.grid(alpha=0.25)
    for side in axis.spines.values():
        side.set_color("#d8dadd")
    if not found:
        axis.text(0.5, 0.5, "no data", transform=axis.transAxes, ha="center", va="center", color=FAINT, fontsize=9)
        axis.set_yticks([])
        axis.set_xticks([])
        return
    moments = sorted({moment for _, times, _ in found for moment in times})
    when = [utc(moment) for moment in moments]
    axis.set_xlim(*map(utc, span))
    floor, top = [0.0] * len(moments), 0.0
    for number, (name, times, values) in enumerate(found):
        colour = COLOURS[number % len(COLOURS)]
        given = dict(zip(times, values))
        drawn = name if number < LEGENDS else f"_{name}"
        if defaults["custom"]["stacking"]["mode"] == "normal":
            ceiling = [low + given.get(moment, 0.0) for low, moment in zip(floor, moments)]
            axis.fill_between(when, floor, ceiling, color=colour, alpha=0.45, linewidth=0.8, label=drawn)
            floor, top = ceiling, max(top, *ceiling)
        else:
            # A gap stays a gap.
            axis.plot(when, [given.get(moment, float("nan")) for moment in moments], color=colour, linewidth=1.2, label=drawn,
                      marker="." if len(given) == 1 else None)
            top = max(top, *values)
    limits = [step["value"] for step in defaults["thresholds"]["steps"] if step["value"] is not None]
    for limit in limits:
        if limit <= 3 * top:
            axis.axhline(limit, color=RED, linewidth=1, linestyle=(0, (4, 3)))
            top = max(top, limit)
        else:
            axis.text(0.995, 0.96, f"alert above {UNITS[defaults['unit']](limit)}", transform=axis.transAxes, ha="right", va="top", color=RED, fontsize=7)
    # A little below 0, so that a line at 0 is seen.
    top = top * 1.15 or 1
    axis.set_ylim(-0.03 * top, top)
    whole = all(value == int(value) for _, _, values in found for value in values)
    if defaults["unit"] == "bytes":
        axis.yaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(top / 4))))
    else:
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=defaults["unit"] == "short" and whole))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: UNITS[defaults["unit"]](value)))
    start, end = span
    axis.set_xticks([utc(start + (end - start) * part) for part in (0.05, 0.35, 0.65, 0.95)])
    axis.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    box = axis.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.13), fontsize=6.5, ncols=2, frameon=False, handlelength=1.2,
                      columnspacing=1, labelspacing=0.25, borderpad=0)
    for text in box.get_texts():
        text.set_color(INK)
    if len(found) > LEGENDS:
        axis.text(0.995, -0.2, f"and {len(found) - LEGENDS} more", transform=axis.transAxes, ha="right", va="top", fontsize=6.5, color=FAINT)


def placed(dashboard, asked):
    """The rows as they are drawn: (row, whether it is folded, panels with lines). A row that is folded in the
    dashboard is opened where one of its panels has something to show."""
    rows = []
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            rows.append((panel, [(inner, asked(inner)) for inner in panel["panels"]]))
        else:
            rows[-1][1].append((panel, asked(panel)))
    for row, panels in rows:
        yield row, row["collapsed"] and not any(found for _, found in panels), panels


def draw(asked, span, picture, subtitle=""):
    """Draws the dashboard into a file: this time, from and to. `asked` gives the lines of a panel. Returns the titles
    of empty panels."""
    dashboard = grafana.dashboard()
    rows = list(placed(dashboard, asked))
    shift, top = [], 2
    for row, folded, panels in rows:
        first = min(panel["gridPos"]["y"] for panel, _ in panels)
        last = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels)
        shift.append((top, top + 1 - first))
        top += 1.4 if folded else 1 + last - first
    width, height = 24 * WIDE, (top + 0.4) * HIGH
    figure = plot.figure(figsize=(width, height), facecolor="#f4f5f5")
    figure.text(0.2 / width, 1 - 0.38 / height, dashboard["title"], fontsize=14, color=INK, fontweight="bold", va="center")
    figure.text(2.6 / width, 1 - 0.38 / height, subtitle, fontsize=9, color=INK, va="center")
    empty = []
    for (row, folded, panels), (at, moved) in zip(rows, shift):
        mark = "\u25b8" if folded else "\u25be"
        figure.text(0.2 / width, 1 - (at + 0.5) * HIGH / height, f"{mark} {row['title']}", fontsize=11, color=INK, va="center")
        for panel, found in [] if folded else panels:
            place = panel["gridPos"]
            left, bottom = place["x"] * WIDE, height - (place["y"] + moved + place["h"]) * HIGH
            # The card, and in it room for the title, the numbers and the legend.
            figure.add_artist(plot.Rectangle(((left + 0.08) / width, (bottom + 0.05) / height), (place["w"] * WIDE - 0.16) / width, (place["h"] * HIGH - 0.1) / height,
                                             transform=figure.transFigure, facecolor="white", edgecolor="#dcdee0", linewidth=0.8, zorder=-1))
            axis = figure.add_axes(((left + 0.72) / width, (bottom + 0.72) / height, (place["w"] * WIDE - 0.98) / width, (place["h"] * HIGH - 1.12) / height))
            draw_panel(axis, panel, found, span)
            if not found:
                empty.append(panel["title"])
    figure.savefig(picture, dpi=80, facecolor=figure.get_facecolor(), metadata={"Software": None})
    plot.close(figure)
    return empty


def asking(url, namespace, instance, interval, start, end):
    """What `draw` needs: it asks a Prometheus about a time."""
    step = max(1, round((end - start) / STEPS))
    variables = {"namespace": namespace, "instance": instance, "__rate_interval": interval}
    return lambda panel: lines(panel, lambda query: ask(url, query, start, end, step), variables)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="Prometheus")
    parser.add_argument("picture", help="the PNG that is written")
    parser.add_argument("--namespace", default="generic-consumer")
    parser.add_argument("--instance", default=".+", help="a regular expression (all)")
    parser.add_argument("--minutes", type=float, default=180, help="up to now (180)")
    parser.add_argument("--interval", default="2m", help="$__rate_interval: four times that of scraping (2m)")
    given = parser.parse_args()
    end = time.time()
    start = end - 60 * given.minutes
    empty = draw(asking(given.url, given.namespace, given.instance, given.interval, start, end), (start, end), given.picture)
    print(f"{given.picture}: without data: {', '.join(empty) or 'none'}")


if __name__ == "__main__":
    main()
