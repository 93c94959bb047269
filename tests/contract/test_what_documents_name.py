"""Whatever a document names exists: files, modules, links, make targets, commands, settings, figures."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from infra.settings import SETTINGS
from lambdas.cli.main import main
from lambdas.contract.cost.estimate import Job

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = ("lambdas", "spark", "infra", "tests", "docs")
DOCUMENTS = sorted(
    str(path.relative_to(REPOSITORY))
    for path in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *REPOSITORY.glob("docs/**/*.md")]
)
ARCHITECTURE = "docs/architecture.md"
SPARK_SESSION = "spark.read"
"""Also what the variable of a Spark session is called everywhere."""

PATH = re.compile(rf"(?<![\w./<-])(?:{'|'.join(ROOMS)})/[\w./-]*\w|(?<![\w./<-])(?:{'|'.join(ROOMS)})/(?!\S)")
FOLDER = re.compile(rf"`((?:{'|'.join(ROOMS)})/(?:[\w-]+/)*)`")
FILE_NAME = re.compile(r"(?<![\w./-])\w+\.(?:py|sh|toml|yaml)\b(?!\.)")
MODULE = re.compile(rf"(?<![\w./-])(?:{'|'.join(ROOMS)})(?:\.\w+)+(?![\w/])")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([\w-]+))?\)")
SPAN = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def text_of(document: str) -> str:
    return (REPOSITORY / document).read_text()


def typed(document: str) -> list[str]:
    """What is set as code: lines of blocks, and spans of text."""
    text = text_of(document)
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return lines + SPAN.findall(BLOCK.sub("", text))


def commands(document: str, program: str) -> set[str]:
    """The word after ``program`` wherever it is typed."""
    call = re.compile(rf"(?:^|&& |\(|nice )(?:\.venv/bin/)?{program} ([a-z][a-z-]*)")
    return {word for line in typed(document) for word in call.findall(line)}


def exists(dotted: str) -> bool:
    """Whether there is such a module, or a module that has such a name in it."""
    module, _, name = dotted.rpartition(".")
    file, within = REPOSITORY / dotted.replace(".", "/"), REPOSITORY / module.replace(".", "/")
    if file.is_dir() or file.with_suffix(".py").is_file():
        return True
    source = within.with_suffix(".py")
    return source.is_file() and re.search(rf"\b{name}\b", source.read_text()) is not None


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def tracked_names() -> set[str]:
    found = (path for room in ROOMS for path in (REPOSITORY / room).rglob("*.*"))
    return {path.name for path in [*found, *REPOSITORY.glob("*.*")]}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_folder_that_a_document_names_exists(document: str) -> None:
    text = text_of(document)
    named = {*PATH.findall(text), *FOLDER.findall(text)}
    assert {path for path in named if not (REPOSITORY / path).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_without_its_folder_exists_somewhere(document: str) -> None:
    assert set(FILE_NAME.findall(text_of(document))) - tracked_names() == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_a_document_names_exists(document: str) -> None:
    named = MODULE.findall("\n".join(typed(document)))
    modules = {dotted for dotted in named if not dotted.startswith(SPARK_SESSION)}
    assert {dotted for dotted in modules if not exists(dotted)} == set()


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_every_link_leads_to_a_file_and_a_heading(document: str) -> None:
    for target, anchor in LINK.findall(text_of(document)):
        file = ((REPOSITORY / document).parent / target).resolve() if target else REPOSITORY / document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), f"{target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_a_document_names_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert commands(document, "make") <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_a_document_names_exists(
    document: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands(document, "fruits"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"], {})
        assert ended.value.code == 0, command


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_setting_that_a_document_names_exists(document: str) -> None:
    known = {setting.key for setting in SETTINGS}
    resource_tags = {"ledger", "run", "dataset"}
    assert set(re.findall(r"`?fruits:([a-z]\w+)", text_of(document))) <= known | resource_tags


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


def test_the_readme_names_commands_targets_and_files_of_each_kind() -> None:
    assert {"demo", "test", "package"} <= commands("README.md", "make")
    assert {"status", "doctor"} <= commands("README.md", "fruits")
    assert len(LINK.findall(text_of("README.md"))) > 10
    assert len(PATH.findall(text_of(ARCHITECTURE))) > 40


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
