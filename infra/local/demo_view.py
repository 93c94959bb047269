"""What only the demo shows: a warning at the start, and what there is at the end."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.panel import Panel
from rich.table import Column, Table
from rich.tree import Tree

from infra.local.results import Fetched
from lambdas.contract import s3uri

QUARANTINE_ROWS_SHOWN = 10
PARTS_SHOWN = 3
"""Of each folder's part files, so that a big run's tree stays readable."""


def warn_untrained(console: Console) -> None:
    """Say, so that nobody can miss it, that the features mean nothing."""
    console.print(
        Panel(
            "[bold]The weights are UNTRAINED (seeded random numbers).[/]\n"
            "Everything runs as it would, but the features mean nothing. All outputs say "
            '"weights": "untrained".\n'
            "For real features: make demo WEIGHTS=<mobilenet_v2 no-top .h5>, or run once where "
            "Keras can download its ImageNet weights.",
            title="WARNING",
            border_style="bold red",
        )
    )


def show_rejection(console: Console, rejection: dict[str, Any]) -> None:
    """Why the manifest was refused, fault by fault."""
    table = Table(
        "field", "what is wrong", "what to do", title="The manifest was refused; nothing was launched"
    )
    for fault in rejection["faults"]:
        table.add_row(fault["path"], fault["problem"], fault["remedy"])
    console.print(table)


def show_result(
    console: Console, status: dict[str, Any], fetched: Fetched, cloud_folder: Path, elapsed: float
) -> None:
    """The output tree, the figures, the quarantine, and where to look."""
    console.print(_tree(fetched))
    console.print(_figures(status, fetched, elapsed))
    if fetched.quarantined:
        console.print(_quarantine(fetched))
    where = [f"status     {fetched.folder}/status.json", f"logs       {cloud_folder}"]
    if fetched.picture:
        where.insert(0, f"picture    {fetched.picture}")
    if status["state"] == "COMPLETED":
        console.print(
            "\n[bold green]COMPLETED.[/] Results are on this machine now; the cloud is gone. Look at:"
        )
    else:
        console.print(f"\n[bold red]{status['state']}:[/] {status.get('message') or 'no reason was given'}")
        if status.get("remedy"):
            console.print(f"What to do: {status['remedy']}")
    for line in where:
        console.print(f"  {line}", highlight=False)


def _tree(fetched: Fetched) -> Tree:
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(fetched.files):
        folder, _, name = path.rpartition("/")
        folders[folder].append(name)
    tree = Tree(f"[bold]{fetched.folder}/")
    for folder, names in folders.items():
        branch = tree.add(f"{folder}/")
        parts = [name for name in names if name.startswith("part-")]
        for name in names:
            if name not in parts[PARTS_SHOWN:]:
                branch.add(f"{name}  [dim]{decimal(fetched.files[f'{folder}/{name}'])}")
        if len(parts) > PARTS_SHOWN:
            branch.add(f"[dim]... and {len(parts) - PARTS_SHOWN} more parts")
    return tree


def _figures(status: dict[str, Any], fetched: Fetched, elapsed: float) -> Table:
    """What was measured; a run that failed has less of it."""
    table = Table(show_header=False, title=f"run {status['run_id']}")
    if status["images_in"] is not None:
        table.add_row(
            "images",
            f"{status['images_in']} in = {status['images_featurized']} featurized"
            f" + {status['images_quarantined']} quarantined",
        )
    for prefix, rows in fetched.rows.items():
        table.add_row(f"rows in {prefix}", str(rows))
    if status["feature_dim"] is not None:
        table.add_row("features", f"{status['feature_dim']} floats an image, engine {status['engine']}")
    table.add_row("weights", str(status["weights"]))
    if status["explained_variance"] is not None:
        table.add_row(
            "PCA",
            f"{status['pca_components']} components hold {status['explained_variance']:.1%} of the variance",
        )
    steps = ", ".join(
        f"{phase.removesuffix('.total')} {seconds:.1f} s"
        for phase, seconds in status["seconds"].items()
        if phase.endswith(".total")
    )
    table.add_row("time", f"{elapsed:.0f} s in all; the steps' own: {steps}")
    return table


def _quarantine(fetched: Fetched) -> Table:
    table = Table(
        Column("image", overflow="fold"),
        "reason",
        "detail",
        title=f"{len(fetched.quarantined)} images in quarantine",
    )
    for row in fetched.quarantined[:QUARANTINE_ROWS_SHOWN]:
        table.add_row(s3uri.split(row["path"])[1], row["reason"], row["detail"])
    return table
