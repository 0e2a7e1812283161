"""The records of a benchmark as pandas frames: which launches scatter, what the ops are, a plot of one's own."""

import tempfile
from pathlib import Path

import reports
from bench.run import ZooOptions, zoo
from examples.checking import true

with tempfile.TemporaryDirectory() as folder:
    # Any folder that `bench zoo --out` was given will do; this makes a small one.
    zoo(ZooOptions(models=["slice_relu"], converters=["nobuco"], rounds=5, settle=0.0, out=Path(folder)))

    # %% One row for each cell, launch, and kind of op
    frames = reports.load(folder)
    print(frames.cells[["model", "converter", "latency", "latency_low", "latency_high", "quiet"]])

    # %% How far the launches of a cell are apart
    launches = frames.launches[frames.launches["counts"]]
    spread = launches.groupby(["model", "converter"], observed=True)["median"].agg(["min", "median", "max"])
    print(spread)
    (latency,) = frames.cells["latency"]
    true("the table's figure is the median of the launches", spread["median"].iloc[0] == latency)

    # %% What the files are made of
    ops = frames.ops.pivot_table(index="op", columns="converter", values="count", observed=True)
    print(ops)
    true("the ops add up", ops["nobuco"].sum() == frames.cells["ops"].iloc[0])

    # %% A plot
    axes = frames.plot("latency")
    picture = Path(folder) / "latency.png"
    axes.figure.savefig(picture)
    true("the plot is a picture", picture.read_bytes().startswith(b"\x89PNG"))
