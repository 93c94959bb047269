"""`python -m infra.package`: the code artifacts in ``build/``, the same bytes from the same inputs.

::

    build/{launcher,tracker,reconciler}.zip  Lambda code with its locked dependencies, compiled
    build/job.zip                            spark-submit --py-files: spark/ and the contract, compiled
    build/step.py                            what spark-submit runs
    build/node-certificates-<region>.zip     kept until near its end: a private key is never the same twice

Nothing is done when nothing changed. boto3 is left to the Lambda runtime, which ships it compiled;
in the zip it would be five times the size of everything else and slow every cold start.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from infra import bytecode
from infra.components import certificates
from infra.target import ARCHITECTURE, PYTHON_VERSION
from lambdas.contract.regions import EU_REGIONS

REPOSITORY = Path(__file__).resolve().parent.parent
PLATFORM = f"{ARCHITECTURE}-manylinux2014"
"""Lambda's runtime (Amazon Linux 2, glibc 2.26)."""
RUNTIME_PACKAGES = ("boto3", "botocore")
"""What Lambda's Python runtime brings. Source: AWS Lambda developer guide, "Runtime-included SDK"."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold, given to every entry."""
LAMBDAS = ("launcher", "tracker", "reconciler")
"""Each function has a folder of its own in lambdas/; the folders beside them are in all of the zips."""
MACHINE_CODE = ("spark/images/pixels.x86_64", "spark/images/pixels.aarch64")
"""Compiled from `pixels.c` by the Makefile."""
FUNCTION_FOLDER = "/var/task"
"""Where Lambda lays out a function's zip. Source: AWS Lambda developer guide, "Python handler"."""
FOR_PEOPLE = ("cli", "report")
"""Live beside the Lambdas and are in none of their zips."""


class PackageError(RuntimeError):
    """An artifact cannot be built. The message says what to do."""


@dataclass(frozen=True)
class Built:
    """One artifact and whether this run had to make it."""

    path: Path
    changed: bool


@dataclass(frozen=True)
class _Recipe:
    """What an artifact is made of, and how: ``make`` writes it to the path that it is given."""

    target: Path
    inputs: Sequence[Path]
    make: Callable[[Path], object]

    @property
    def record(self) -> Path:
        """Beside the artifact: the digest of the inputs that made it."""
        return self.target.with_name(f"{self.target.name}.inputs")

    def digest(self) -> str:
        digest = hashlib.sha256()
        digest.update(f"{sys.version}\n".encode())  # of which the compiled code is
        for path in sorted({Path(__file__), Path(bytecode.__file__), *self.inputs}):
            digest.update(f"{path}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def is_done(self) -> bool:
        """Whether the artifact is there, and was made of these very inputs."""
        made = self.target.exists() and self.record.exists()
        return made and self.record.read_text() == self.digest()


def package(repository: Path, build: Path) -> list[Built]:
    """Bring every artifact in ``build`` up to date with the sources in ``repository``.

    Raises:
        PackageError: uv is missing, or the dependencies cannot be installed as locked.
    """
    build.mkdir(parents=True, exist_ok=True)
    # A folder of its own, so that two builds at once do not take each other's files away.
    with tempfile.TemporaryDirectory() as scratch:
        made = [_once(recipe) for recipe in _recipes(repository, build, Path(scratch))]
    return made + [node_certificate(build, region) for region in EU_REGIONS]


def outdated(repository: Path, build: Path) -> list[Path]:
    """The artifacts in ``build`` that :func:`package` would make: missing, or of other sources."""
    recipes = _recipes(repository, build, scratch=build)
    certificate_files = {region: build / certificates.file_of(region) for region in EU_REGIONS}
    return [recipe.target for recipe in recipes if not recipe.is_done()] + [
        file
        for region, file in certificate_files.items()
        if not certificates.is_to_be_kept(file, region, certificates.today())
    ]


def folders_without(function: str) -> tuple[str, ...]:
    """The folders of `lambdas/` that are in the zips of others, or in none, and not in this function's."""
    return tuple(f"lambdas/{other}/" for other in (*LAMBDAS, *FOR_PEOPLE) if other != function)


def _recipes(repository: Path, build: Path, scratch: Path) -> list[_Recipe]:
    """Every artifact. ``scratch`` is where it is laid out and compiled before, the functions' all at once."""
    lock, project = repository / "requirements.lock", repository / "pyproject.toml"
    lambdas = _sources(repository, "lambdas/**/*")
    functions = functools.cache(lambda: _functions(scratch / "functions", repository, lambdas))

    def function(name: str) -> _Recipe:
        return _Recipe(
            build / f"{name}.zip",
            [lock, project, *_without_others(name, lambdas).values()],
            lambda target: write_zip(target, _without_others(name, functions())),
        )

    job = _sources(
        repository,
        *("spark/**/*.py", "spark/images/pixels*", "lambdas/__init__.py", "lambdas/contract/**/*.py"),
    )
    step = repository / "spark" / "steps" / "entry.py"
    return [
        *(function(name) for name in LAMBDAS),
        _Recipe(
            build / "job.zip", [*job.values()], lambda target: write_zip(target, _job(scratch / "job", job))
        ),
        _Recipe(build / "step.py", [step], lambda target: shutil.copyfile(step, target)),
    ]


def write_zip(target: Path, files: Mapping[str, Path]) -> None:
    """Write files under the given names: sorted, one timestamp, one mode, so equal content is equal bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())


def _without_others(function: str, files: Mapping[str, Path]) -> dict[str, Path]:
    """The files of all zips and those of this function's."""
    others = folders_without(function)
    return {name: file for name, file in files.items() if not name.startswith(others)}


def _functions(folder: Path, repository: Path, code: Mapping[str, Path]) -> dict[str, Path]:
    """What the functions' zips hold, by name."""
    _install(folder, repository)
    return _compiled(folder, code, known_as=FUNCTION_FOLDER)


def _job(folder: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """What the job's zip holds, by name."""
    if missing := [name for name in MACHINE_CODE if name not in files]:
        raise PackageError(f"{' and '.join(missing)} is not compiled yet: `make code` does that first")
    return _compiled(folder, files, known_as="job.zip", in_zip=True)


def _compiled(
    folder: Path, files: Mapping[str, Path], *, known_as: str, in_zip: bool = False
) -> dict[str, Path]:
    bytecode.lay_out(folder, files)
    try:
        bytecode.compile_all(folder, known_as=known_as, in_zip=in_zip)
    except bytecode.BytecodeError as error:
        raise PackageError(f"Python does not understand a source:\n{error}") from error
    return {name: file for name, file in bytecode.files_of(folder).items() if not _is_install_record(name)}


def _once(recipe: _Recipe) -> Built:
    """Make the artifact unless it is done already."""
    if recipe.is_done():
        return Built(recipe.target, changed=False)
    _make(recipe.target, recipe.make)
    recipe.record.write_text(recipe.digest())
    return Built(recipe.target, changed=True)


def node_certificate(build: Path, region: str) -> Built:
    """Unlike the others not remade when its code changes: only when there is none, or its end is near."""
    target, now = build / certificates.file_of(region), certificates.today()
    if certificates.is_to_be_kept(target, region, now):
        return Built(target, changed=False)
    _make(target, lambda partial: certificates.write_node_certificate(partial, region, now))
    return Built(target, changed=True)


def _make(target: Path, make: Callable[[Path], object]) -> None:
    # Made aside and renamed, so that an interrupted build leaves no half an artifact.
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    make(partial)
    partial.replace(target)


def _sources(repository: Path, *patterns: str) -> dict[str, Path]:
    paths = (path for pattern in patterns for path in repository.glob(pattern))
    return {
        path.relative_to(repository).as_posix(): path
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def _install(folder: Path, repository: Path) -> None:
    """Install the locked dependencies of the Lambdas for Lambda's platform."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as excludes:
        excludes.write("\n".join(RUNTIME_PACKAGES))
        excludes.flush()
        command = [
            *(find_uv(repository), "pip", "install", "--quiet", "--target", str(folder)),
            *("--group", f"{repository / 'pyproject.toml'}:lambdas"),
            *("--constraint", str(repository / "requirements.lock"), "--require-hashes"),
            *("--excludes", excludes.name),
            *("--only-binary", ":all:", "--python-version", PYTHON_VERSION, "--python-platform", PLATFORM),
        ]
        finished = subprocess.run(command, check=False, capture_output=True, text=True, cwd=repository)
    if finished.returncode:
        raise PackageError(
            f"the Lambdas' dependencies cannot be installed as locked:\n{finished.stderr.strip()}\n"
            "if pyproject.toml changed, run `make lock`; if the network failed, try again"
        )


def _is_install_record(name: str) -> bool:
    """Whether a file says how or where it was installed: not needed at run time, not reproducible."""
    path = PurePosixPath(name)
    return path.parts[0] in {"bin", ".lock"} or path.name in {
        *("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
    }


def find_uv(repository: Path) -> str:
    """The uv that ``UV`` names, or `make setup` has installed, or the PATH has.

    Raises:
        PackageError: there is none.
    """
    own = repository / ".local" / "uv" / "bin" / "uv"
    found = os.environ.get("UV") or (str(own) if own.exists() else shutil.which("uv"))
    if not found:
        raise PackageError("uv is not installed; `make setup` fetches it, or set UV to its path")
    return found


def main(build: Path = REPOSITORY / "build") -> int:
    """Build into ``build`` and say what changed. Exit code 1 with one message when it cannot."""
    try:
        built = package(REPOSITORY, build)
    except PackageError as error:
        sys.stderr.write(f"package: {error}\n")
        return 1
    for artifact in built:
        size = artifact.path.stat().st_size / 1e6
        state = "built" if artifact.changed else "unchanged"
        sys.stdout.write(f"{build.name}/{artifact.path.name}  {size:.2f} MB  {state}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
