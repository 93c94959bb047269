"""What doctor says of the machine that a stack is deployed from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra.components.artifacts import ARM_WHEELHOUSES
from infra.doctor import packages, workplace
from infra.doctor.checks import Checkout
from infra.doctor.finding import Finding, Status
from infra.doctor.lock import pins, versions
from infra.doctor.packages import PACKAGE, Artifacts, Model, Wheels
from infra.doctor.workplace import Pulumi
from infra.program import LOCK_FILE, REPOSITORY
from infra.releases import RELEASES

H1, H2 = "1" * 64, "2" * 64
LOCK = f"""
# by make lock
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:{H1} \\
    --hash=sha256:{H2}
numpy==2.5.0 ; python_full_version >= '3.12' \\
    --hash=sha256:{H2}
pulumi==3.272.0 \\
    --hash=sha256:{H1}
"""


def said(findings: list[Finding]) -> tuple[Status, str, str | None]:
    (finding,) = findings
    return finding.status, finding.text, finding.remedy


def test_a_lock_file_pins_versions_and_hashes() -> None:
    assert versions(LOCK) == {"numpy": {"2.4.6", "2.5.0"}, "pulumi": {"3.272.0"}}
    assert pins(LOCK)["numpy"] == {
        f"2.4.6 sha256:{H1} sha256:{H2}",
        f"2.5.0 sha256:{H2}",
    }
    assert len(pins(LOCK_FILE.read_text())) > 100


def test_another_python_is_a_fault() -> None:
    assert said(workplace.python((3, 12), {}, LOCK)) == (
        Status.FAULT,
        "this is Python 3.12, and everything is built for 3.11",
        "install Python 3.11, then `make clean setup`",
    )


def test_packages_that_are_not_those_that_are_locked_are_a_fault() -> None:
    status, text, remedy = said(workplace.python((3, 11), {"numpy": "1.0", "pulumi": "3.272.0"}, LOCK))
    assert (status, remedy) == (Status.FAULT, "`make setup`")
    assert text.endswith("are not those of requirements.lock: numpy 1.0 instead of 2.4.6 or 2.5.0")


def test_this_very_interpreter_is_as_locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # setuptools, once it is imported, and others bring copies of packages along.
    copy = tmp_path / "numpy-0.1.dist-info"
    copy.mkdir()
    (copy / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = workplace.python((3, 11), workplace.read_installed(), LOCK_FILE.read_text())
    assert said(found) == (Status.OK, "Python 3.11, packages as locked", None)


def test_artifacts_that_are_missing_or_of_other_sources_are_told_apart() -> None:
    missing, outdated = packages.code(Artifacts(["job.zip"], ["step.py", "launcher.zip"]))
    assert missing == Finding(Status.FAULT, "not built: job.zip", PACKAGE)
    assert outdated == Finding(
        Status.FAULT, "built from other sources than this checkout's: step.py, launcher.zip", PACKAGE
    )
    assert said(packages.code(Artifacts([], []))) == (
        Status.OK,
        "built from this checkout and its lock file",
        None,
    )


def test_a_model_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert said(packages.model(packages.read_model(tmp_path))) == (
        Status.FAULT,
        "the model is not built",
        PACKAGE,
    )


def described(weights: str = "imagenet") -> str:
    package = {"name": "mobilenet_v2", "file": "m.tflite", "sha256": H1, "weights": weights}
    return json.dumps({**package, "weights_file": "m.h5", "weights_sha256": H2})


WHOLE = Model(described(), {"m.tflite": H1, "m.h5": H2, "model.json": "3" * 64})


def test_a_model_is_held_against_its_description(tmp_path: Path) -> None:
    assert said(packages.model(WHOLE)) == (Status.OK, "mobilenet_v2, weights imagenet", None)
    assert said(packages.model(replace(WHOLE, hashes={"m.tflite": H2}))) == (
        Status.FAULT,
        "missing, or not what model.json describes: m.tflite, m.h5",
        f"remove build/model, then {PACKAGE}",
    )
    (tmp_path / "model.json").write_text(described())
    (tmp_path / "m.h5").write_bytes(b"other weights")
    assert said(packages.model(packages.read_model(tmp_path)))[1].endswith("describes: m.tflite, m.h5")


def test_a_description_of_another_version_is_a_fault() -> None:
    assert said(packages.model(Model("{}", {})))[1].startswith(
        "model.json cannot be read: ModelPackage lacks "
    )


def test_untrained_weights_are_a_warning() -> None:
    assert said(packages.model(replace(WHOLE, description=described("untrained")))) == (
        Status.WARNING,
        "the weights are untrained: features are random projections, good for a demonstration",
        PACKAGE,
    )


LISTED = LOCK.split("numpy==2.5.0")[0]
WHEELS = Wheels(LISTED, LOCK, {"numpy"}, {"numpy-2.4.6-cp311.whl"})


def judged(found: Wheels) -> tuple[Status, str, str | None]:
    return said(packages.wheels(found, installed_by_nodes=True))


def test_wheels_as_locked_are_ok() -> None:
    assert judged(WHEELS) == (Status.OK, "1 wheels, as locked", None)


def test_wheels_are_not_asked_of_nodes_that_have_their_packages() -> None:
    assert said(packages.wheels(replace(WHEELS, requirements=None), installed_by_nodes=False)) == (
        Status.OK,
        "not needed: the nodes have their packages (fruits:nodePackages)",
        None,
    )


@pytest.mark.parametrize(
    ("change", "text", "remedy"),
    [
        ({"requirements": None}, "the wheels of the nodes are not there", PACKAGE),
        (
            {"requirements": LISTED.replace(H1, H2)},
            "the wheels of the nodes are not those that are locked: numpy",
            PACKAGE,
        ),
        (
            {"requirements": LISTED.replace("2.4.6", "2.4.5")},
            "the wheels of the nodes are not those that are locked: numpy",
            PACKAGE,
        ),
        (
            {"asked": {"numpy", "pillow"}},
            "the wheels of the nodes are not those that are locked: pillow",
            PACKAGE,
        ),
        (
            {"files": set()},
            "wheels are listed and not there: numpy",
            f"remove build/wheelhouse-*, then {PACKAGE}",
        ),
    ],
)
def test_wheels_that_are_missing_or_others_are_a_fault(
    change: dict[str, object], text: str, remedy: str
) -> None:
    assert judged(replace(WHEELS, **change)) == (Status.FAULT, text, remedy)


def test_the_wheels_of_graviton_machines_are_told_apart() -> None:
    found = packages.wheels(WHEELS, installed_by_nodes=True, machines="Graviton machines")
    assert [line.text for line in found] == ["1 wheels for Graviton machines, as locked"]


def test_the_wheels_of_all_nodes_and_of_the_reference_engines_are_looked_at(tmp_path: Path) -> None:
    for group, package in (("node", "numpy"), ("node-reference", "pandas")):
        folder = tmp_path / f"wheelhouse-{group}-x86_64"
        folder.mkdir()
        assert packages.read_wheels(REPOSITORY, tmp_path).requirements is None
        (folder / "requirements.txt").write_text(f"{package}==1\n")
        (folder / f"{package}-1.whl").touch()
    found = packages.read_wheels(REPOSITORY, tmp_path)
    assert packages.read_wheels(REPOSITORY, tmp_path, ARM_WHEELHOUSES).requirements is None
    assert found.requirements == "numpy==1\npandas==1\n"
    assert found.files == {"numpy-1.whl", "pandas-1.whl"}


def test_the_wheels_that_are_asked_for_are_those_of_the_project(tmp_path: Path) -> None:
    asked = packages.read_wheels(REPOSITORY, tmp_path).asked
    assert (
        {"numpy", "pandas", "backports-strenum", "tensorflow"} <= asked <= pins(LOCK_FILE.read_text()).keys()
    )


def test_the_release_is_that_of_the_stack_or_else_the_default_one() -> None:
    none = Checkout(REPOSITORY, REPOSITORY / "build", Pulumi(None))
    assert none.release in RELEASES
    chosen = replace(none, pulumi=Pulumi("v4.0.0", {"fruits:releaseLabel": "emr-7.10.0"}))
    assert chosen.release == "emr-7.10.0"
