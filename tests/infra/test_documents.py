"""What the documents tell people to type exists: commands, options, settings, targets, files."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from awscli.clidriver import create_clidriver

from infra.program import REPOSITORY
from infra.settings import SETTINGS
from lambdas.cli.main import main

DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *sorted(str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("docs/**/*.md")),
)
CUSTOM_AWS = {"s3"}
"""Services whose commands are the CLI's own, with arguments of their own kind."""


def text_of(document: str) -> str:
    return (REPOSITORY / document).read_text()


def typed(text: str) -> list[str]:
    """Everything that is set as code: each line of a block with its continuations, and spans of text."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", prose)


def commands(text: str, program: str) -> list[list[str]]:
    """The words after ``program`` wherever it is typed."""
    call = re.compile(rf"(?:^|&& |\()(?:\.venv/bin/)?{program} ([^&)#]+)")
    found = [words.split() for line in typed(text) for words in call.findall(line)]
    return [words for words in found if words]


@cache
def aws_services() -> Any:
    return create_clidriver().create_help_command().command_table


@cache
def arguments_of(service: str, operation: str) -> frozenset[str] | None:
    """The options of a command of the AWS CLI; None where there is no such command."""
    if service not in aws_services():
        return None
    operations = aws_services()[service].create_help_command().command_table
    if operation not in operations:
        return None
    return frozenset(operations[operation].create_help_command().arg_table)


def unknown_to_aws(text: str) -> Iterator[str]:
    for service, operation, *words in (words for words in commands(text, "aws") if len(words) > 1):
        known = arguments_of(service, operation)
        if known is None:
            yield f"aws {service} {operation}"
        elif service not in CUSTOM_AWS:
            options = {word.removeprefix("--") for word in words if word.startswith("--")}
            yield from sorted(f"--{option}" for option in options - known - {"query", "output"})


@cache
def is_command(name: str) -> bool:
    with pytest.raises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()):
        main([name, "--help"], {})
    return ended.value.code == 0


def unknown_to_fruits(text: str) -> Iterator[str]:
    yield from {f"fruits {words[0]}" for words in commands(text, "fruits") if not is_command(words[0])}


def unknown_to_make(text: str) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    yield from {f"make {words[0]}" for words in commands(text, "make") if words[0] not in targets}


def unknown_settings(text: str) -> Iterator[str]:
    known = {setting.key for setting in SETTINGS}
    yield from {f"fruits:{name}" for name in re.findall(r"fruits:(\w+)", text) if name not in known}


FINDERS = (unknown_to_aws, unknown_to_fruits, unknown_to_make, unknown_settings)


@pytest.mark.parametrize("find", FINDERS)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_whatever_a_document_tells_people_to_type_exists(
    document: str, find: Callable[[str], Iterator[str]]
) -> None:
    assert list(find(text_of(document))) == []


INVENTED = """Set `fruits:noSetting`, type `make nothing`, or

```sh
.venv/bin/fruits prune --all    # now
aws ec2 describe-vpcs --dry \\
    --output text && aws emr stop
eval "$(fruits stop)"; aws emrs list
```
"""


@pytest.mark.parametrize(
    ("find", "unknown"),
    [
        (unknown_to_aws, {"--dry", "aws emr stop"}),
        (unknown_to_fruits, {"fruits prune", "fruits stop"}),
        (unknown_to_make, {"make nothing"}),
        (unknown_settings, {"fruits:noSetting"}),
    ],
)
def test_what_somebody_invents_is_found(find: Callable[[str], Iterator[str]], unknown: set[str]) -> None:
    assert set(find(INVENTED)) == unknown


@pytest.mark.parametrize(("program", "least"), [("aws", 20), ("fruits", 20), ("make", 10)])
def test_the_commands_of_the_documents_are_found(program: str, least: int) -> None:
    assert len(commands("\n".join(map(text_of, DOCUMENTS)), program)) >= least


def dead_links(text: str, folder: Path) -> Iterator[str]:
    """Links to files that are not there, and to headings that their file does not have."""
    for target, anchor in re.findall(r"\]\((?!https)([^)#]*)(?:#([\w-]+))?\)", text):
        file = (folder / target).resolve()
        if target and not file.exists():
            yield target
        elif anchor and anchor not in anchors(file.read_text() if target else text):
            yield f"{target}#{anchor}"


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files_and_headings(document: str) -> None:
    assert list(dead_links(text_of(document), (REPOSITORY / document).parent)) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "# One\n[a](README.md#one) [b](README.md#deploy) [c](gone.md) [d](#one) [e](#two)"
    assert list(dead_links(text, REPOSITORY)) == ["README.md#one", "gone.md", "#two"]
