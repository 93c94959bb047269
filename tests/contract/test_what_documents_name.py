"""Files, modules and figures that documents and packages name are those of the repository.

What people type, and links, are held by tests/infra/test_documents.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdas.contract.cost.estimate import Job

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = ("lambdas", "spark", "infra", "tests", "docs")
DOCUMENTS = sorted(
    str(path.relative_to(REPOSITORY))
    for path in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *REPOSITORY.glob("docs/**/*.md")]
)
ARCHITECTURE = "docs/architecture.md"
SPARK_SESSION = ("spark.read", "spark.conf", "spark.workbench")
"""The variable of a Spark session, which is called so everywhere, and a property of workbenches."""

PATH = re.compile(rf"(?<![\w./<-])(?:{'|'.join(ROOMS)})/[\w./-]*")
FILE_NAME = re.compile(r"(?<![\w./-])\w+\.(?:py|sh|toml|yaml)\b(?!\.)")
MODULE = re.compile(rf"(?<![\w./-])(?:{'|'.join(ROOMS)})(?:\.\w+)+(?![\w/])")
SPAN = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def text_of(document: str) -> str:
    return (REPOSITORY / document).read_text()


def unknown_paths(text: str) -> set[str]:
    paths = {path.rstrip("./-") for path in PATH.findall(text)}
    return {path for path in paths if not (REPOSITORY / path).exists()}


def unknown_names(text: str) -> set[str]:
    """Files that are named without their folder, and are in none."""
    found = (path for room in ROOMS for path in (REPOSITORY / room).rglob("*.*"))
    return set(FILE_NAME.findall(text)) - {path.name for path in [*found, *REPOSITORY.glob("*.*")]}


def unknown_modules(text: str) -> set[str]:
    code = "\n".join([*BLOCK.findall(text), *SPAN.findall(BLOCK.sub("", text))])
    dotted = {name for name in MODULE.findall(code) if not name.startswith(SPARK_SESSION)}
    return {name for name in dotted if not is_module_or_name(name)}


def is_module_or_name(dotted: str) -> bool:
    """Whether there is such a module, or a module that has such a name in it."""
    module, _, name = dotted.rpartition(".")
    file, within = REPOSITORY / dotted.replace(".", "/"), REPOSITORY / f"{module.replace('.', '/')}.py"
    if file.is_dir() or file.with_suffix(".py").is_file():
        return True
    return within.is_file() and re.search(rf"\b{name}\b", within.read_text()) is not None


FINDERS = (unknown_paths, unknown_names, unknown_modules)


@pytest.mark.parametrize("find", FINDERS)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_module_that_a_document_names_exists(
    document: str, find: Callable[[str], set[str]]
) -> None:
    assert find(text_of(document)) == set()


INVENTED = """See lambdas/contract/gone.py, [there](../spark/gone.py), `infra/`, `infra/gone/`, spark/images/.

`gone.py`, `schema.py`; `lambdas.contract.gone`, `lambdas.contract.layout.MANIFESTS` or

```sh
python -m infra.gone.too
```
"""


@pytest.mark.parametrize(
    ("find", "unknown"),
    [
        (unknown_paths, {"lambdas/contract/gone.py", "infra/gone"}),
        (unknown_names, {"gone.py"}),
        (unknown_modules, {"lambdas.contract.gone", "infra.gone.too"}),
    ],
)
def test_what_is_gone_is_found(find: Callable[[str], set[str]], unknown: set[str]) -> None:
    assert find(INVENTED) == unknown


PACKAGES = sorted(
    str(file.parent.relative_to(REPOSITORY))
    for room in ("lambdas", "spark", "infra")
    for file in (REPOSITORY / room).rglob("__init__.py")
    if file.stat().st_size
)
PARTS = re.compile(r"^ {4}([a-z_]+)(?:\.py|/)? {2,}\S|``([a-z_]+)(?:\.py|/)?``", re.MULTILINE)
"""What a package's docstring names: the first word of each line of a list, and words set as code."""
COMMAND = "fruits"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_part_that_a_package_lists_exists(package: str) -> None:
    folder = REPOSITORY / package
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()), clean=False) or ""
    named = {listed or set_as_code for listed, set_as_code in PARTS.findall(docstring)} - {COMMAND}
    assert {
        name for name in named if not ((folder / name).is_dir() or (folder / f"{name}.py").is_file())
    } == set()


def test_the_packages_that_architecture_is_read_from_list_their_parts() -> None:
    for package in ("lambdas", "lambdas/runs", "spark", "infra/local/emr", "infra/doctor"):
        assert package in PACKAGES
        assert len(PARTS.findall((REPOSITORY / package / "__init__.py").read_text())) > 5, package


def test_the_readme_stays_a_page() -> None:
    assert len(text_of("README.md").splitlines()) <= 150


FIGURES = {
    "featurize.images_per_second": "{:.0f} images a second",
    "featurize.ratio_vs_reference": "{:.1f} times the classic",
    "featurize.fraction_of_raw": "{:.2f} of the rate",
    "resume.recomputed_fraction": "the other half ({:.2f})",
    "control.upload_to_launch_p95_seconds": "{:.2f} s from upload to launch",
}
"""How the README says what docs/performance.md recorded."""


@pytest.mark.parametrize("figure", FIGURES)
def test_the_readme_promises_what_was_measured(figure: str) -> None:
    (measured,) = re.findall(
        rf"^\| `{re.escape(figure)}` \| ([\d.]+) ", text_of("docs/performance.md"), re.MULTILINE
    )
    assert FIGURES[figure].format(float(measured)) in text_of("README.md")


def test_the_readmes_estimate_is_what_the_code_computes() -> None:
    job = Job(90_483, "fast", 224, 2, ("m5.xlarge",), spot=False, region="eu-west-1")
    said = f"90,483 images on the default cluster is {job.minutes:.0f} minutes and {job.eur:.2f} EUR"
    assert said in " ".join(text_of("README.md").split())


def trails() -> list[tuple[str, str, list[str]]]:
    """Folder, file, and the names to look for, of each trail of the architecture document."""
    table = text_of(ARCHITECTURE).split("| look for |")[1].split("\n\n")[0]
    rows = (line.split("|")[2:5] for line in table.splitlines() if line.startswith("| "))
    return [
        (SPAN.findall(folder)[0], SPAN.findall(file)[0], SPAN.findall(names)) for folder, file, names in rows
    ]


def test_each_trail_leads_into_its_folder_to_a_file_that_has_what_to_look_for() -> None:
    assert len(trails()) >= 4
    for folder, file, names in trails():
        assert file.startswith(folder)
        source = (REPOSITORY / file).read_text()
        assert [name for name in names if name not in source] == []
