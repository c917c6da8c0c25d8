"""A service in a container: it opens the store of its volume, and closes it when it is asked to end."""

import os
import signal
import tempfile
import threading
from pathlib import Path

import tenantry

folder = tempfile.TemporaryDirectory()
os.environ["TENANTRY_STORE"] = str(Path(folder.name) / "accounts")
tenantry.open(os.environ["TENANTRY_STORE"]).close()
# Somebody ends the service after a moment, as `docker stop` does.
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()

# ANCHOR: serve
stopping = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stopping.set())

# With `create` off, a volume that is not mounted is an error, and not an empty platform. The one before may still be closing.
with tenantry.open(os.environ["TENANTRY_STORE"], create=False, lock_wait_ms=30_000) as t:
    while not stopping.wait(0.05):
        ...  # serve
# Here the store is closed: what was drawn ahead and not used has been given back.
# ANCHOR_END: serve
try:
    t.store.info()
except tenantry.HandleUnusable as error:
    assert error.code == "closed"
else:
    raise AssertionError("the store is closed")
folder.cleanup()

# ANCHOR: missing
try:
    tenantry.open(os.environ["TENANTRY_STORE"], create=False)
except tenantry.StoreFailure as failure:
    print(failure)
    assert failure.code == "store_missing"
# ANCHOR_END: missing
else:
    raise AssertionError("there is no store")
