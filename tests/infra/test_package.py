from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.package import PackageError, outdated, package
from infra.program import REPOSITORY

pytestmark = pytest.mark.slow

INPUTS = ("lambdas", "spark", "pyproject.toml", "requirements.lock")


def copy_of_the_repository(folder: Path) -> Path:
    for name in INPUTS:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copyfile(source, folder / name)
    (folder / "spark" / "steps" / "entry.py").touch()
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_repository(tmp_path_factory.mktemp("package") / "one")


@pytest.fixture(scope="module")
def build(repository: Path) -> Path:
    package(repository, repository / "build")
    return repository / "build"


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_the_same_sources_in_another_folder_make_the_same_bytes(build: Path, tmp_path: Path) -> None:
    other = copy_of_the_repository(tmp_path / "two")
    package(other, other / "build")
    for name in ("launcher.zip", "tracker.zip", "reconciler.zip", "job.zip", "step.py"):
        assert (other / "build" / name).read_bytes() == (build / name).read_bytes()


def test_nothing_is_done_when_nothing_changed(
    repository: Path, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever installs a package fails here, and whoever writes a file is seen.
    monkeypatch.setenv("UV", "/nowhere/uv")
    before = {path: path.stat().st_mtime_ns for path in build.iterdir()}
    built = package(repository, build)
    assert not any(artifact.changed for artifact in built)
    assert {path: path.stat().st_mtime_ns for path in build.iterdir()} == before


def test_what_is_missing_or_of_other_sources_is_known_without_building(
    repository: Path, build: Path, tmp_path: Path
) -> None:
    assert outdated(repository, build) == []
    assert len(outdated(repository, tmp_path / "nothing")) == len(package(repository, build))
    (repository / "spark" / "other.py").write_text("other = 1\n")
    assert outdated(repository, build) == [build / "job.zip"]
    (repository / "spark" / "other.py").unlink()
    assert outdated(repository, build) == []


def test_only_what_a_change_concerns_is_built_again(repository: Path, build: Path) -> None:
    (repository / "spark" / "more.py").write_text("more = 1\n")
    assert {a.path.name for a in package(repository, build) if a.changed} == {"job.zip"}
    (repository / "spark" / "more.py").unlink()
    assert {a.path.name for a in package(repository, build) if a.changed} == {"job.zip"}


def test_the_job_is_not_packaged_without_its_machine_code(repository: Path, build: Path) -> None:
    code = repository / "spark" / "images" / "pixels.aarch64"
    compiled = code.read_bytes()
    code.unlink()
    with pytest.raises(PackageError, match=r"pixels\.aarch64 is not compiled yet: `make code` does"):
        package(repository, build)
    code.write_bytes(compiled)
    package(repository, build)


def test_lambda_zips_hold_their_code_and_what_the_runtime_lacks(build: Path) -> None:
    inside = names(build / "launcher.zip")
    assert inside == sorted(inside)
    tops = {name.split("/")[0] for name in inside}
    assert {"lambdas", "aws_lambda_powertools", "pydantic", "pydantic_core"} <= tops
    assert not tops & {"boto3", "botocore", "bin", "infra", "spark"}
    assert not [name for name in inside if "RECORD" in name]
    others = ("lambdas/tracker/", "lambdas/cli/", "lambdas/report/")
    assert not [name for name in inside if name.startswith(others)]
    with zipfile.ZipFile(build / "launcher.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_native_code_in_the_zips_is_for_lambdas_platform(build: Path) -> None:
    native = [name for name in names(build / "tracker.zip") if name.endswith(".so")]
    assert native
    assert all("cpython-311-x86_64-linux-gnu" in name for name in native)


@pytest.mark.parametrize("function", ["launcher", "tracker", "reconciler"])
def test_a_handler_imports_from_its_zip_and_the_runtime_alone_and_compiles_nothing(
    function: str, build: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(build / f"{function}.zip") as archive:
        archive.extractall(tmp_path)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    site = Path(sys.prefix) / "lib" / "python3.11" / "site-packages"
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3"):
        (runtime / name).symlink_to(site / name)
    compiled = imported(f"lambdas.{function}.handler", tmp_path, runtime)
    assert not [name for name in compiled if not name.startswith(str(runtime))]


def imported(module: str, *folders: Path) -> list[str]:
    """Import it from these folders and zips alone; returns what Python had to compile then."""
    program = f"""
import sys, zipimport
from importlib.machinery import SourceFileLoader
compiled, in_folder, in_zip = [], SourceFileLoader.source_to_code, zipimport._compile_source
SourceFileLoader.source_to_code = lambda self, data, path, **options: (
    compiled.append(path) or in_folder(self, data, path, **options)
)
zipimport._compile_source = lambda path, source: compiled.append(path) or in_zip(path, source)
sys.path[:0] = {[str(folder) for folder in folders]!r}
import {module}
print(*compiled, sep="\\n")
"""
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split()


def test_a_worker_of_spark_compiles_nothing_of_the_job(build: Path) -> None:
    site = Path(sys.prefix) / "lib" / "python3.11" / "site-packages"
    job = build / "job.zip"
    for module in ("spark.features.litert_engine", "spark.steps.runner"):
        assert not [path for path in imported(module, job, site) if path.startswith(str(job))]


def test_a_python_of_another_release_takes_the_sources(build: Path, tmp_path: Path) -> None:
    job = tmp_path / "job.zip"
    with zipfile.ZipFile(build / "job.zip") as made, zipfile.ZipFile(job, "w") as other:
        for name in made.namelist():
            body = made.read(name)
            # The number in front says whose code it is.
            other.writestr(name, b"\0\0\r\n" + body[4:] if name.endswith(".pyc") else body)
    assert f"{job}/lambdas/contract/plan.py" in imported("lambdas.contract.plan", job)


def test_sources_that_cannot_be_compiled_are_named(repository: Path, build: Path) -> None:
    (repository / "spark" / "wrong.py").write_text("wrong =\n")
    with pytest.raises(PackageError, match=r"(?s)does not understand a source:.*spark/wrong\.py.*line 1"):
        package(repository, build)
    (repository / "spark" / "wrong.py").unlink()


def test_the_job_zip_holds_the_steps_for_both_kinds_of_nodes_and_of_the_lambdas_only_the_contract(
    build: Path,
) -> None:
    inside = names(build / "job.zip")
    others = {f"spark/images/pixels.{kind}" for kind in ("c", "x86_64", "aarch64")}
    assert {name for name in inside if not name.endswith((".py", ".pyc"))} == others
    assert {name for name in inside if name.endswith(".pyc")} == {
        f"{name}c" for name in inside if name.endswith(".py")
    }
    assert "lambdas/contract/plan.py" in inside
    assert not [n for n in inside if n.startswith("lambdas/") and n.count("/") > 1 and "contract" not in n]


def test_a_tampered_lock_file_builds_nothing(repository: Path, build: Path, tmp_path: Path) -> None:
    other = copy_of_the_repository(tmp_path / "tampered")
    lock = other / "requirements.lock"
    lines = lock.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("pydantic=="))
    for number in range(start + 1, len(lines)):
        if not lines[number].startswith("    --hash"):
            break
        lines[number] = f"    --hash=sha256:{'0' * 64}" + (" \\" if lines[number].endswith("\\") else "")
    lock.write_text("\n".join(lines))
    with pytest.raises(PackageError, match="cannot be installed as locked"):
        package(other, other / "build")
    assert not (other / "build" / "launcher.zip").exists()


def test_a_missing_uv_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    other = copy_of_the_repository(tmp_path / "without-uv")
    with pytest.raises(PackageError, match="make setup"):
        package(other, other / "build")
