"""What Pulumi's Python language host does with the project, and no program inside another process shows.

Source: the host's toolchain for pip, and pulumi-language-python-exec, of Pulumi's SDK for Go and Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.program import REPOSITORY

PROJECT: dict[str, Any] = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
MAIN = REPOSITORY / PROJECT["main"]
ENVIRONMENT = REPOSITORY / PROJECT["runtime"]["options"]["virtualenv"]
# As pulumi-language-python-exec: configuration from the environment, then the program, by its folder's path.
START = """
import json, runpy, sys
from pathlib import Path
import infra.program, pulumi
from tests.infra.conftest import RecordingProvider

folder, infra.program.BUILD = Path(sys.argv[1]), Path(sys.argv[2])
provider = RecordingProvider()
pulumi.runtime.set_mocks(provider, project="fruits", stack="eu", preview=False)
pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
pulumi.runtime.test(lambda: runpy.run_path(str(folder), run_name="__main__") and None)()
modules = {name: str(getattr(module, "__file__", None)) for name, module in sys.modules.items()}
json.dump({
    "resources": len(provider.declared),
    "region": provider.one("providers:aws")["region"],
    "modules": {name: file for name, file in modules.items() if Path(file).is_relative_to(folder)},
}, sys.stdout)
"""


def test_the_host_finds_the_environment_beside_the_project_file_and_not_beside_the_program() -> None:
    python = ENVIRONMENT / "bin" / "python"
    assert (MAIN / "__main__.py").is_file()
    assert python.samefile(sys.executable)
    assert not (MAIN / PROJECT["runtime"]["options"]["virtualenv"]).exists()


def test_pip_tells_the_host_which_packages_there_are() -> None:
    done = subprocess.run(
        [ENVIRONMENT / "bin" / "python", "-m", "pip", "list", "--format", "json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {one["name"].lower().replace("_", "-"): one["version"] for one in json.loads(done.stdout)}
    assert {name: listed[name] for name in ("pulumi", "pulumi-aws")} == {
        name: version(name) for name in ("pulumi", "pulumi-aws")
    }


@pytest.fixture(scope="module")
def started(build: Path) -> dict[str, Any]:
    """What the program did, started as the host starts it: in its own folder."""
    config = {"aws:region": "eu-west-3", "fruits:nodePackages": "preinstalled"}
    done = subprocess.run(
        [sys.executable, "-c", START, str(MAIN), str(build)],
        cwd=MAIN,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "PULUMI_CONFIG": json.dumps(config),
            "PULUMI_CONFIG_SECRET_KEYS": "[]",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_program_runs_in_its_own_folder_with_the_configuration_of_the_environment(
    started: dict[str, Any],
) -> None:
    assert started["resources"] > 100
    assert started["region"] == "eu-west-3"


def test_every_module_of_the_program_has_one_name_though_its_folder_is_first_on_the_path(
    started: dict[str, Any],
) -> None:
    names: dict[str, str] = started["modules"]
    assert {"infra.config", "infra.program"} <= names.keys()
    assert all(name == "infra" or name.startswith("infra.") for name in names), names
    assert len(set(names.values())) == len(names)


def test_no_module_of_the_program_hides_one_that_others_import() -> None:
    ours = {path.stem for path in MAIN.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    installed = {name for name, owners in packages_distributions().items() if owners != ["fruits-features"]}
    assert not ours & (sys.stdlib_module_names | installed) - {"__init__", "__main__"}
