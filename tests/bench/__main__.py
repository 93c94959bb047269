"""Measure, print a table, write ``build/bench.json``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.bench import control, index, install, listing, pca, projection, rivals, scale
from tests.bench.featurize import SCALES, Bench
from tests.bench.figures import Figure
from tests.bench.machine import Machine
from tests.bench.pictures import find_pictures, write_pictures
from tests.bench.steps import packaged_model

PICTURES = Path("build/bench-pictures")
RESULT = Path("build/bench.json")
INDEX_ENTRIES = (10_000, 1_000_000)

Row = Callable[[], list[Figure]]


def rows(bench: Bench) -> dict[str, Row]:
    """What there is to measure, the quick ones first."""
    return {
        "index": index_figures,
        "scale": scale.figures,
        "listing": listing.figures,
        "install": install.figures,
        "control": control_figures,
        "fixed": bench.fixed,
        "resume": bench.recomputed_fraction,
        "latency": bench.latency_fraction,
        "pca": pca.figures,
        "expert": lambda: rivals.over_the_expert(bench),
        "standalone": lambda: rivals.standalone_over_local(bench),
        "reference": lambda: rivals.over_the_reference(bench),
        "scaling": bench.scaling,
    }


def control_figures() -> list[Figure]:
    """How soon a cluster is asked for."""
    seconds = control.upload_to_launch()
    return [
        Figure("control.upload_to_launch_p50_seconds", control.percentile(seconds, 50)),
        Figure("control.upload_to_launch_p95_seconds", control.percentile(seconds, 95), 2, at_least=False),
    ]


def index_figures() -> list[Figure]:
    """Driver memory over two orders of magnitude."""
    return [Figure(f"index.driver_mb.{entries}", index.peak_mb(entries)) for entries in INDEX_ENTRIES]


def show(console: Console, machine: Machine, figures: list[Figure]) -> None:
    """Print everything."""
    console.print(f"{machine.text}; medians of alternated rounds")
    table = Table("figure", "value", "bar", "")
    for figure in figures:
        table.add_row(figure.name, f"{figure.value:.4g}", figure.aim, figure.verdict)
    console.print(table)
    console.print("A projection, and no measurement; docs/performance.md says what it assumes:")
    console.print("\n".join(projection.table()), highlight=False)


def main() -> int:
    """Measure everything; the exit code says whether it could be measured, not whether bars were met."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of JPEGs; generated ones otherwise")
    parser.add_argument("--images", type=int, default=SCALES[-1], help="generate and use at most this many")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows alone: all take an hour")
    options = parser.parse_args()
    folder = (options.data or PICTURES).resolve()
    found = find_pictures(folder) if options.data else write_pictures(folder, options.images)
    console, machine = Console(width=100), Machine.here()
    with TemporaryDirectory(prefix="fruits-bench-") as scratch:
        bench = Bench(folder, found[: options.images], packaged_model(Path("build/model")), Path(scratch))
        known = rows(bench)
        if unknown := set(options.only or ()) - known.keys():
            parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        figures: list[Figure] = []
        for name in options.only or known:
            for figure in known[name]():
                figures.append(figure)
                console.print(f"{figure.name} {figure.value:.4g}", style="dim")
    show(console, machine, figures)
    result = {
        "machine": dataclasses.asdict(machine),
        "images": len(found[: options.images]),
        "figures": {figure.name: figure.value for figure in figures},
        "bars": {figure.name: figure.bar for figure in figures if figure.bar is not None},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"written to {RESULT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
