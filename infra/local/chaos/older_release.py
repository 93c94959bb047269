"""An older release as `make package` would have left it: its own code, with the libraries of today's zips."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from infra.components.artifacts import content_key
from infra.package import LAMBDAS, folders_without
from infra.program import REPOSITORY
from lambdas.contract.report import StepReport

CODE = REPOSITORY / "tests" / "releases" / "before-versions.zip"
"""`lambdas/` of the last release whose documents carry no version; made as the README beside it says."""
_OURS = "lambdas/"
_SHARED_BY_ALL = ("lambdas/__init__.py", "lambdas/contract/")
_FAST = 1
"""Compression: nobody keeps these zips."""


def build_older(build: Path, target: Path, code: Path = CODE) -> Path:
    """Fill the folder ``target`` with what the older release deploys, and return it.

    What is no code of the Lambdas (model, certificates) is that of ``build``, which holds today's release.
    The job is its part of the contract alone: enough to have another name, and nothing that could run.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with zipfile.ZipFile(code) as archive:
        older = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    for function in LAMBDAS:
        with zipfile.ZipFile(build / f"{function}.zip") as today:
            libraries = {name: today.read(name) for name in today.namelist() if not name.startswith(_OURS)}
        own = {name: body for name, body in older.items() if not name.startswith(folders_without(function))}
        _write_zip(target / f"{function}.zip", {**libraries, **own})
    contract = {name: body for name, body in older.items() if name.startswith(_SHARED_BY_ALL)}
    _write_zip(target / "job.zip", contract)
    for kept in build.iterdir():
        if not (target / kept.name).exists():
            (target / kept.name).symlink_to(kept.resolve())
    return target


def report_of_older(report: StepReport) -> str:
    """The report as a step of the older release would have written it."""
    document = json.loads(report.to_json())
    del document["version"]
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def job_key(build: Path) -> str:
    """By which the arguments of a step tell whose job it runs."""
    return content_key(build / "job.zip")


def _write_zip(target: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
