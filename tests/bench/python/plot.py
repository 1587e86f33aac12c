"""Draws the cost curves: reads curves.json in the first folder, writes curves.svg into the second."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
# A fixed salt, so that the same figures give the same file.
matplotlib.rcParams.update({"svg.hashsalt": "curves", "svg.fonttype": "none", "font.size": 9})
import matplotlib.pyplot as plot

source, target = map(pathlib.Path, sys.argv[1:])
curves = json.loads((source / "curves.json").read_text())
LOGARITHMIC = {"partitions", "event types", "bytes"}

figure, axes = plot.subplots(1, len(curves), figsize=(3 * len(curves), 2.8), constrained_layout=True)
for axis, (name, points) in zip(axes, curves.items()):
    xs = [point["x"] for point in points]
    costs = [point["cpu_seconds_a_million"] for point in points]
    medians = [cost["median"] for cost in costs]
    spread = [
        [cost["median"] - cost["min"] for cost in costs],
        [cost["max"] - cost["median"] for cost in costs],
    ]
    axis.errorbar(xs, medians, yerr=spread, marker="o", markersize=3, capsize=2, linewidth=1)
    if name in LOGARITHMIC:
        axis.set_xscale("log")
    if name == "bytes":
        # With both axes logarithmic, a cost proportional to the bytes is a straight line of slope one.
        axis.set_yscale("log")
    else:
        axis.set_ylim(bottom=0)
    axis.set_xlabel(name)
    axis.grid(alpha=0.3)
axes[0].set_ylabel("CPU s per million events")
target.mkdir(parents=True, exist_ok=True)
figure.savefig(target / "curves.svg", metadata={"Date": None})
print(target / "curves.svg")
