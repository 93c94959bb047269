"""What the documents tell people to type exists: commands, options, settings, targets, files."""

from __future__ import annotations

import re
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


def typed(document: str) -> list[str]:
    """Everything that is set as code: each line of a block with its continuations, and spans of text."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text_of(document), re.DOTALL | re.MULTILINE)
    text = re.sub(r"^```.*?^```", "", text_of(document), flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", text)


def commands(document: str, program: str) -> list[list[str]]:
    """The words after ``program`` wherever it is typed."""
    call = re.compile(rf"(?:^|&& |\()(?:\.venv/bin/)?{program} ([^&)#]+)")
    return [found.split() for line in typed(document) for found in call.findall(line)]


@cache
def aws_services() -> Any:
    return create_clidriver().create_help_command().command_table


@pytest.mark.parametrize("document", DOCUMENTS)
def test_aws_commands_and_their_options_exist(document: str) -> None:
    for service, operation, *arguments in (words for words in commands(document, "aws") if len(words) > 1):
        operations = aws_services()[service].create_help_command().command_table
        assert operation in operations, f"aws {service} {operation}"
        if service in CUSTOM_AWS:
            continue
        known = operations[operation].create_help_command().arg_table
        options = [word.removeprefix("--") for word in arguments if word.startswith("--")]
        assert set(options) <= known.keys() | {"query", "output"}, f"aws {service} {operation}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_fruits_commands_exist(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in {words[0] for words in commands(document, "fruits") if words}:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"], {})
        assert ended.value.code == 0, command


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert {words[0] for words in commands(document, "make") if words} <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_settings_exist(document: str) -> None:
    described = {f"fruits:{setting.key}" for setting in SETTINGS}
    assert {f"fruits:{name}" for name in re.findall(r"fruits:(\w+)", text_of(document))} <= set(described)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files_and_headings(document: str) -> None:
    folder = (REPOSITORY / document).parent
    for target, anchor in re.findall(r"\]\((?!https)([^)#]*)(?:#([\w-]+))?\)", text_of(document)):
        file = (folder / target).resolve() if target else REPOSITORY / document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), f"{target}#{anchor}"


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
