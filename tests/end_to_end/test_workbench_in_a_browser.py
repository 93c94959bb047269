"""A workbench from its manifest to its end, as a person with a browser has it.

Here and in a browser, because only the whole shows that a real JupyterHub takes what the set-up step makes
of its configuration, lets in who has the password that the stack made, and gives notebooks the nodes' role
and no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from infra.local.hub.machine import marked
from lambdas.aws.uploads import S3Uploads
from lambdas.cli.submission import Submitted, ask_for_run
from lambdas.contract.layout import RunLayout, notebooks_of
from lambdas.contract.run import WORKBENCH_PREFIX
from lambdas.contract.workbench import USER
from tests.browser import ADVICE, find_chromium

from .conftest import Happened, User

NAME = "explore"
ENOUGH_MS = 120_000
SOME_HOURS_SECONDS = 3 * 3600
KERNELS = """async () => {
    const token = document.cookie.match("_xsrf=([^;]*)")[1];
    const answer = await fetch("/user/analyst/api/kernels", {headers: {"X-XSRFToken": token}});
    return (await answer.json()).map(kernel => [kernel.execution_state, kernel.connections]);
}"""
FORBIDDEN = """
import boto3
from botocore.exceptions import ClientError
for asked in (
    lambda: boto3.client("sts").assume_role(RoleArn="@ROLE@", RoleSessionName="another"),
    lambda: boto3.client("s3").put_object(Bucket="@BUCKET@", Key="manifests/mine.json", Body=b"{}"),
):
    try:
        print("not refused", asked())
    except ClientError as error:
        print(error.response["Error"]["Code"])
"""


@dataclass(frozen=True)
class Workbench:
    """One that is open. ``machine`` stands for its machine's file system."""

    user: User
    run: Submitted
    url: str
    machine: Path

    @property
    def password(self) -> str:
        secrets = self.user.cloud.client("secretsmanager")
        (found,) = [
            one["Name"] for one in secrets.list_secrets()["SecretList"] if self.run.run_id in one["Name"]
        ]
        return str(secrets.get_secret_value(SecretId=found)["SecretString"])

    @property
    def home(self) -> Path:
        return self.machine / "var" / "lib" / "jupyter" / "home" / USER

    def activity(self) -> dict[str, Any]:
        body = self.user.s3.get_object(Bucket=self.user.bucket, Key=self.layout.activity)["Body"].read()
        found: dict[str, Any] = json.loads(body)
        return found

    @property
    def layout(self) -> RunLayout:
        return RunLayout(self.run.dataset, self.run.run_id)

    def grows_old(self) -> None:
        """As if it had been opened, and last used, hours ago."""
        at = time.time() - SOME_HOURS_SECONDS
        self.user.s3.put_object(
            Bucket=self.user.bucket,
            Key=self.layout.activity,
            Body=json.dumps({**self.activity(), "last_active_at": at}).encode(),
        )
        ledger, table = self.user.cloud.client("dynamodb"), self.user.cloud.outputs["ledger_table"]
        record = {"TableName": table, "Key": {"run_id": {"S": self.run.run_id}}}
        latest = len(ledger.get_item(**record)["Item"]["history"]["L"]) - 1
        ledger.update_item(
            **record,
            UpdateExpression=f"SET history[{latest}].#at = :at",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues={":at": {"N": str(at)}},
        )


@pytest.fixture(scope="module")
def workbench(happened: Happened) -> Workbench:
    user = happened.user
    for name in ("data", "data/[1].csv"):
        user.s3.put_object(Bucket=user.bucket, Key=f"{notebooks_of(NAME)}{name}", Body=b"kept")
    asked = {"name": NAME, "hours": 12, "workers": 1, "run": happened.fruits.run_id}
    body = json.dumps({"version": 1, "workbench": asked}).encode()
    uploads = S3Uploads(user.s3, user.bucket)
    run = ask_for_run(uploads, user.bucket, NAME, f"{WORKBENCH_PREFIX}{NAME}", body)
    deadline = time.monotonic() + ENOUGH_MS / 1000
    while (status := user.looks_at(run).status) is None or status["state"] != "RUNNING":
        assert user.looks_at(run).rejection is None
        assert time.monotonic() < deadline, status
        time.sleep(0.5)
    folder = user.cloud.folder / "emr" / status["cluster_id"] / "machine"
    url = user.cloud.hub_url(status["cluster_id"])
    assert url is not None
    return Workbench(user, run, url, folder)


@pytest.fixture(scope="module")
def page(workbench: Workbench) -> Iterator[Page]:
    """A browser in front of the door."""
    chromium = find_chromium()
    assert chromium, ADVICE
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        opened = browser.new_page(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(ENOUGH_MS)
        opened.goto(workbench.url)
        yield opened
        browser.close()


def logs_in(page: Page, user: str, password: str) -> float:
    """Returns after so many seconds, when there is an answer."""
    page.get_by_label("Username").fill(user)
    page.locator("#password_input").fill(password)
    before = time.monotonic()
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()
    return time.monotonic() - before


def kernel_is_ready(page: Page, kernels: int) -> None:
    """What is clicked before is lost."""
    page.locator(".jp-Notebook:visible").wait_for()
    deadline = time.monotonic() + ENOUGH_MS / 1000
    while page.evaluate(KERNELS) != [["idle", 1]] * kernels:
        assert time.monotonic() < deadline, page.evaluate(KERNELS)
        time.sleep(0.2)


def test_what_was_kept_is_there_again_but_for_a_file_that_became_a_folder(workbench: Workbench) -> None:
    assert [path.name for path in workbench.home.glob("data/*")] == ["[1].csv"]


def test_a_wrong_password_is_refused_and_after_a_few_of_them_slowly(workbench: Workbench, page: Page) -> None:
    # The set-up step has tried three already.
    seconds = [
        logs_in(page, user, password)
        for user, password in (("jovyan", "jupyter"), ("root", workbench.password), (USER, "wrong"))
    ]
    assert page.get_by_text("Invalid username or password").count() == 1
    assert min(seconds[:2]) < 1 <= seconds[2]


def test_the_certificate_has_the_fingerprint_that_people_are_told(workbench: Workbench) -> None:
    port = int(workbench.url.rpartition(":")[2])
    certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", port)))
    told = workbench.activity()["certificate_sha256"]
    assert hashlib.sha256(certificate).hexdigest() == told.replace(":", "").lower()


def test_the_password_opens_a_notebook_that_shows_a_finished_run(workbench: Workbench, page: Page) -> None:
    logs_in(page, USER, workbench.password)
    page.wait_for_url("**/user/analyst/lab/**")
    kernel_is_ready(page, kernels=1)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.locator(".jp-OutputArea img")).to_have_count(1, timeout=ENOUGH_MS)
    expect(page.locator(".jp-InputArea-prompt", has_text="[5]")).to_have_count(1)
    said = " ".join(page.locator(".jp-OutputArea-output").all_inner_texts())
    assert "|kiwi     |20   |" in said
    assert "Traceback" not in said


def test_a_notebook_may_what_the_nodes_may_and_no_more(workbench: Workbench, page: Page) -> None:
    roles = workbench.user.cloud.client("iam").list_roles()["Roles"]
    (another,) = [role["Arn"] for role in roles if "-launcher-" in role["RoleName"]]
    page.keyboard.press("Control+Shift+L")
    page.locator(".jp-LauncherCard", has_text="PySpark").first.click()
    kernel_is_ready(page, kernels=2)
    page.locator(".jp-Notebook:visible .cm-content").click()
    page.keyboard.insert_text(FORBIDDEN.replace("@ROLE@", another).replace("@BUCKET@", workbench.user.bucket))
    page.keyboard.press("Shift+Enter")
    said = page.locator(".jp-Notebook:visible .jp-OutputArea-output")
    expect(said).to_have_text("AccessDenied\nAccessDenied", timeout=ENOUGH_MS)
    page.keyboard.press("Control+S")
    page.get_by_placeholder("File name").fill("mine.ipynb")
    page.keyboard.press("Enter")
    page.locator(".jp-DirListing-item", has_text="mine.ipynb").wait_for()


def test_whatever_it_runs_listens_on_loopback_alone(workbench: Workbench) -> None:
    listening = {
        found.laddr
        for process in marked(workbench.machine)
        for found in process.net_connections(kind="tcp")
        if found.status == psutil.CONN_LISTEN
    }
    assert int(workbench.url.rpartition(":")[2]) in {address.port for address in listening}
    assert {address.ip.removeprefix("::ffff:") for address in listening} <= {"127.0.0.1", "::1"}


def test_a_workbench_that_nobody_uses_ends_and_leaves_its_notebooks_alone(workbench: Workbench) -> None:
    user = workbench.user
    functions = user.cloud.client("lambda")
    os.mkfifo(workbench.home / "cannot-be-kept")
    (workbench.home / "z.txt").write_text("saved last")
    deadline = time.monotonic() + ENOUGH_MS / 1000
    while not user.looks_at(workbench.run).ended:
        assert time.monotonic() < deadline
        # Again and again, since it says each minute when it was really used.
        if user.looks_at(workbench.run).cluster_state == "WAITING":
            workbench.grows_old()
        functions.invoke(FunctionName=user.cloud.outputs["reconciler_function"], Payload=b"{}")
    status = user.looks_at(workbench.run).status
    assert status is not None
    assert status["state"] == "COMPLETED"
    assert "no kernel was busy for 60 minutes" in status["message"]
    mine, last = (
        user.s3.get_object(Bucket=user.bucket, Key=f"{notebooks_of(NAME)}{name}")["Body"].read()
        for name in ("mine.ipynb", "z.txt")
    )
    assert "AccessDenied" in str(json.loads(mine)["cells"][0]["outputs"])
    assert last == b"saved last"
    assert marked(workbench.machine) == []
    assert workbench.run.run_id not in str(user.cloud.client("secretsmanager").list_secrets()["SecretList"])
