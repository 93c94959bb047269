"""What `make package` made: is it all there, and of this version?

"Of this version" is not told by dates: packaging keeps beside each artifact the digest of the very inputs
that made it, the model is described with its hashes, and the wheels have those of the lock file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from infra.components.artifacts import WHEELHOUSES, sha256
from infra.doctor.finding import Finding, fault, ok, warning
from infra.doctor.lock import pins
from infra.package import outdated
from lambdas.contract.model_package import DESCRIPTION, UNTRAINED, ModelPackage

PACKAGE = "`make package WEIGHTS=path/to/weights.h5`"
_REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class Artifacts:
    """``outdated`` are file names in the build folder: ``missing`` ones, and those of other sources."""

    missing: Sequence[str]
    outdated: Sequence[str]


def read_artifacts(repository: Path, build: Path) -> Artifacts:
    """Compare what is there with what packaging would make; nothing is made."""
    due = outdated(repository, build)
    missing = [path.name for path in due if not path.is_file()]
    return Artifacts(missing, [path.name for path in due if path.name not in missing])


def code(found: Artifacts) -> list[Finding]:
    """Zips, job and certificates."""
    faults = []
    if found.missing:
        faults.append(fault(f"not built: {', '.join(found.missing)}", PACKAGE))
    if found.outdated:
        text = f"built from other sources than this checkout's: {', '.join(found.outdated)}"
        faults.append(fault(text, PACKAGE))
    return faults or [ok("built from this checkout and its lock file")]


@dataclass(frozen=True)
class Model:
    """``description`` is the text of ``model.json``, None where there is none; ``hashes`` are SHA-256 in hex,
    by file name, of the files beside it."""

    description: str | None
    hashes: Mapping[str, str]


def read_model(folder: Path) -> Model:
    description = folder / DESCRIPTION
    if not description.is_file():
        return Model(None, {})
    return Model(
        description.read_text(), {path.name: sha256(path) for path in folder.iterdir() if path.is_file()}
    )


def model(found: Model) -> list[Finding]:
    """The network: whole, and trained."""
    if found.description is None:
        return [fault("the model is not built", PACKAGE)]
    try:
        package = ModelPackage.from_json(found.description)
    except (ValueError, TypeError) as error:
        return [fault(f"model.json cannot be read: {error}", PACKAGE)]
    described = {package.file: package.sha256, package.weights_file: package.weights_sha256}
    if broken := [name for name, digest in described.items() if found.hashes.get(name) != digest]:
        text = f"missing, or not what model.json describes: {', '.join(broken)}"
        return [fault(text, f"remove build/model, then {PACKAGE}")]
    if package.weights == UNTRAINED:
        text = "the weights are untrained: features are random projections, good for a demonstration"
        return [warning(text, PACKAGE)]
    return [ok(f"{package.name}, weights {package.weights}")]


@dataclass(frozen=True)
class Wheels:
    """Of all wheelhouses. ``requirements`` is the text of their lists, None where one is missing. ``asked``:
    the packages that pyproject.toml asks for on nodes; ``files``: names in the wheelhouses."""

    requirements: str | None
    lock: str
    asked: Set[str]
    files: Set[str]


def read_wheels(repository: Path, build: Path, wheelhouses: Mapping[str, str] = WHEELHOUSES) -> Wheels:
    """``wheelhouses``: folders by dependency group, those of one architecture."""
    folders = [build / name for name in wheelhouses.values()]
    lists = [folder / _REQUIREMENTS for folder in folders]
    groups = tomllib.loads((repository / "pyproject.toml").read_text())["dependency-groups"]
    return Wheels(
        "".join(path.read_text() for path in lists) if all(path.is_file() for path in lists) else None,
        (repository / "requirements.lock").read_text(),
        {_name(requirement) for group in wheelhouses for requirement in groups[group]},
        {path.name for folder in folders for path in folder.glob("*.whl")},
    )


def wheels(found: Wheels, *, installed_by_nodes: bool, machines: str = "") -> list[Finding]:
    """The Python packages of nodes that are such ``machines``."""
    if not installed_by_nodes:
        return [ok("not needed: the nodes have their packages (fruits:nodePackages)")]
    if found.requirements is None:
        return [fault("the wheels of the nodes are not there", PACKAGE)]
    locked, listed = pins(found.lock), pins(found.requirements)
    # What the lock file has for other interpreters is not listed.
    others = sorted(name for name, entries in listed.items() if not entries <= locked.get(name, frozenset()))
    others += sorted(found.asked - listed.keys())
    if others:
        return [fault(f"the wheels of the nodes are not those that are locked: {', '.join(others)}", PACKAGE)]
    there = {name.partition("-")[0].lower().replace("_", "-").replace(".", "-") for name in found.files}
    if missing := sorted(name for name in listed if name.replace(".", "-") not in there):
        text = f"wheels are listed and not there: {', '.join(missing)}"
        return [fault(text, f"remove build/wheelhouse-*, then {PACKAGE}")]
    return [ok(f"{len(listed)} wheels{f' for {machines}' if machines else ''}, as locked")]


def _name(requirement: str) -> str:
    """``pandas<3`` -> ``pandas``."""
    end = next((at for at, letter in enumerate(requirement) if letter in "<>=!~;[ "), len(requirement))
    return requirement[:end].lower()
