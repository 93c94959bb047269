"""``make arm``: 16 pictures, featurized here and on the emulated machine; 0 if not a bit differs."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from infra.components.artifacts import BOOTSTRAP_SCRIPT
from tests.arm.machine import REPOSITORY, ArmMachine, MachineUnavailableError, machine_in
from tests.bench.pictures import find_pictures, picture
from tests.bench.steps import packaged_model

PICTURES = 16
LARGE = (640, 480)


def main() -> int:
    options = argparse.ArgumentParser(prog="make arm")
    options.add_argument("--data", type=Path, metavar="FOLDER", help="take the pictures from here")
    given = options.parse_args().data
    model = Path(packaged_model(REPOSITORY / "build" / "model").uri.removeprefix("file://"))
    try:
        say("An emulated Graviton machine (once, 30 MB of Debian's packages)...")
        machine = machine_in(REPOSITORY / ".local" / "arm")
        with tempfile.TemporaryDirectory() as scratch:
            return compare(machine, model, Path(scratch), given)
    except MachineUnavailableError as error:
        sys.stderr.write(f"arm: {error}\n")
        return 1


def compare(machine: ArmMachine, model: Path, scratch: Path, given: Path | None) -> int:
    """The features of both machines, side by side; what to say is printed."""
    say("What a node imports before its first step (a minute or more of emulation)...")
    imported = machine.run("-c", imports_of_a_node())
    if imported.returncode:
        sys.stderr.write(f"arm: the emulated machine cannot import it:\n{imported.stderr}")
        return 1
    write_pictures(scratch / "pictures", find_pictures(given) if given else [])
    arguments = ["-m", "tests.arm.features", model, scratch / "pictures"]
    say(f"{PICTURES} pictures, here and there (a minute or more of emulation)...")
    here = subprocess.run(
        [sys.executable, *arguments, scratch / "here.npy"], capture_output=True, text=True, check=False
    )
    began = time.monotonic()
    there = machine.run(*arguments, scratch / "there.npy")
    for name, finished in (("here", here), ("on the emulated machine", there)):
        if finished.returncode:
            sys.stderr.write(f"arm: the features cannot be computed {name}:\n{finished.stderr}")
            return 1
    ours, theirs = np.load(scratch / "here.npy"), np.load(scratch / "there.npy")
    different = [n for n in range(len(ours)) if ours[n].tobytes() != theirs[n].tobytes()]
    if different:
        worst = np.abs(ours - theirs).max()
        say(f"{len(different)} of {len(ours)} pictures have other features, by {worst:g} at most.")
        return 1
    seconds = time.monotonic() - began
    say(
        f"The {ours.size:,} features of {len(ours)} pictures are equal to the last bit ({seconds:.0f} s of "
        "emulation, which says nothing of a real machine's speed)."
    )
    return 0


def say(text: str) -> None:
    """At once, also where somebody else reads."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def imports_of_a_node() -> str:
    """The Python that the bootstrap action runs when it has installed everything."""
    found = re.search(r"bin/python\" -c '\n(.*?)'", BOOTSTRAP_SCRIPT.read_text(), re.DOTALL)
    assert found, f"{BOOTSTRAP_SCRIPT} imports nothing any more"
    return found[1]


def write_pictures(folder: Path, given: list[Path]) -> None:
    """Copies of those that are given, or drawn ones: small ones, which our code resizes, and large ones."""
    folder.mkdir()
    for number in range(PICTURES):
        target = folder / f"{number:02d}.jpg"
        if given:
            target.write_bytes(given[number * len(given) // PICTURES].read_bytes())
        elif number % 4:
            target.write_bytes(picture(number))
        else:
            Image.open(BytesIO(picture(number))).resize(LARGE).save(target, quality=90, progressive=True)


if __name__ == "__main__":
    sys.exit(main())
