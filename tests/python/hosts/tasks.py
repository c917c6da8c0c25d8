"""Tasks of Celery, which one process of several carries out: each sends one message of `acme`."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import tenantry
from celery import Celery

FOLDER = Path(os.environ["QUEUE"])
for name in ("queue", "done"):
    (FOLDER / name).mkdir(parents=True, exist_ok=True)

app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(FOLDER / "queue"),
        "data_folder_out": str(FOLDER / "queue"),
        "processed_folder": str(FOLDER / "done"),
        "store_processed": False,
        "control_folder": str(FOLDER / "control"),
    },
    task_ignore_result=True,
    worker_hijack_root_logger=False,
)


@functools.cache
def store() -> tenantry.Tenantry:
    return tenantry.open(os.environ["STORE"], create=False)


# A store that is open in the process that forks the workers is theirs as well.
if os.environ.get("OPENED") == "at_import":
    store().accounts.get(account="acme")


@app.task
def send() -> None:
    name = "granted" if store().admit(account="acme") else "refused"
    with (FOLDER / f"{name}-{os.getpid()}").open("a") as file:
        file.write(".")
