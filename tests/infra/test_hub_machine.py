"""What stands for the machine of a workbench in the local cloud: processes, credentials, kernel."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import ContainerProvider

from infra.local.hub import installation
from infra.local.hub.configuration import Ports, hub_config, kernel_spec, proxy_command
from infra.local.hub.credentials import CredentialsServer
from infra.local.hub.installation import FILES, Installation, NotInstalledError
from infra.local.hub.machine import MARK, marked, sweep

PORTS = Ports(public=9443, hub=1234, proxy=5678)
LEAVES_A_GRANDCHILD = """
import subprocess
subprocess.Popen(["sleep", "100"], start_new_session=True)
print(flush=True)
"""


def test_nothing_of_a_machine_is_left_behind_by_whatever_session_it_has(tmp_path: Path) -> None:
    environment = {MARK: str(tmp_path), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [sys.executable, "-c", LEAVES_A_GRANDCHILD],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"\n"
        assert len(marked(tmp_path)) >= 1
        assert marked(tmp_path / "another") == []
        sweep(tmp_path)
    assert marked(tmp_path) == []


def test_programs_get_the_roles_credentials_when_they_ask_and_new_ones_before_those_end(
    tmp_path: Path,
) -> None:
    asked = []

    def assumed() -> dict[str, Any]:
        asked.append(len(asked))
        expires = datetime.now(UTC) + timedelta(minutes=1)
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return {**{name: f"{name}-{len(asked)}" for name in names}, "Expiration": expires}

    with CredentialsServer(assumed, tmp_path / "token") as server:
        found = ContainerProvider(environ=server.environment).load()
        assert found is not None
        first, second = (found.get_frozen_credentials() for _ in range(2))
    assert first.token != second.token
    assert second.access_key == f"AccessKeyId-{len(asked)}"


def test_everything_of_jupyterhub_is_on_loopback(tmp_path: Path) -> None:
    parts = (
        "JupyterHub",
        "ConfigurableHTTPProxy",
        "SimpleLocalProcessSpawner",
        "LocalProcessSpawner",
        "Spawner",
    )
    c = SimpleNamespace(**{part: SimpleNamespace() for part in parts})
    config = hub_config(tmp_path, PORTS, Installation(tmp_path), {"TMPDIR": "/x"})
    exec(config, {"get_config": lambda: c})  # noqa: S102  # as JupyterHub does
    assert c.JupyterHub.bind_url == "https://127.0.0.1:9443"
    assert c.JupyterHub.hub_bind_url == "http://127.0.0.1:1234"
    assert c.ConfigurableHTTPProxy.api_url == "http://127.0.0.1:5678"
    command = proxy_command(tmp_path, PORTS, Installation(tmp_path))
    assert [command[place + 1] for place, word in enumerate(command) if word.endswith("-ip")] == [
        "127.0.0.1"
    ] * 2


def test_a_kernel_has_the_nodes_python_and_what_it_needs_of_sparkmagic() -> None:
    spec = json.loads(kernel_spec(Path("/nodes/python"), {"AWS_REGION": "eu-west-1"}))
    assert spec["argv"][0] == "/nodes/python"
    assert str(FILES / "session.py") in spec["argv"][-1]
    assert spec["env"] == {"AWS_REGION": "eu-west-1"}


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that session.py leaves in a kernel, and the cells' transformation as ``cell``."""
    shell = SimpleNamespace(input_transformers_cleanup=[], user_ns={})
    names: dict[str, Any] = {"get_ipython": lambda: shell}
    exec(compile((FILES / "session.py").read_text(), "session.py", "exec"), names)  # noqa: S102  # as IPython does
    (names["cell"],) = shell.input_transformers_cleanup
    return {**names, "shell": shell}


@pytest.mark.parametrize(
    ("cell", "becomes"),
    [
        ("a = 1\n", "a = 1\n"),
        ("%%local\na = 1\n", "a = 1\n"),
        ("%%spark\na = 1\n", "a = 1\n"),
        ("%%spark -o found -n 50\nfound = 1\n", "found = 1\n\n_to_local('found', 50)\n"),
        ("%%spark -o found\nfound = 1\n", "found = 1\n\n_to_local('found', 2500)\n"),
        ("%%configure -f\n{}\n", "%%configure -f\n{}\n"),
        ("", ""),
    ],
)
def test_cells_for_sparkmagic_run_without_it(kernel: dict[str, Any], cell: str, becomes: str) -> None:
    assert "".join(kernel["cell"](cell.splitlines(keepends=True))) == becomes


def test_a_frame_for_the_notebook_has_as_many_rows_as_were_asked_for(kernel: dict[str, Any]) -> None:
    class Frame:
        def limit(self, rows: int) -> SimpleNamespace:
            return SimpleNamespace(toPandas=lambda: f"{rows} rows")

        def toPandas(self) -> str:  # noqa: N802  # PySpark's name
            return "all rows"

    for rows, expected in ((5, "5 rows"), (-1, "all rows")):
        kernel["shell"].user_ns["found"] = Frame()
        kernel["_to_local"]("found", rows)
        assert kernel["shell"].user_ns["found"] == expected


def test_what_is_not_installed_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotInstalledError, match="`make hub` installs it"):
        installation.find(tmp_path)
    found = Installation(tmp_path)
    for path in (found.hub, Path(found.proxy[1])):
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalledError, match="apt install curl openssl"):
        installation.find(tmp_path)
