"""Several processes of one machine share a store in SQLite: together they sell a limit once."""

import multiprocessing
import tempfile
from pathlib import Path

import tenantry


# ANCHOR: worker
def worker(store: str) -> int:
    """One of several processes, such as a worker of gunicorn or Celery. Each opens the store for itself."""
    with tenantry.open(store, create=False) as t:
        gate = t.sender(account="acme")
        return sum(gate.admit() for _ in range(400))
# ANCHOR_END: worker


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:{Path(folder) / 'accounts.db'}"
        t = tenantry.open(store)
        t.packages.create(id="starter", name="Starter", limits={"email_per_day": 1000})
        t.accounts.create(id="acme", name="Acme", package="starter", owner={"user": "olga", "email": "olga@acme.example"})
        with multiprocessing.get_context("spawn").Pool(3) as pool:
            granted = pool.map(worker, [store] * 3, chunksize=1)
        assert sum(granted) == 1000, granted

        # ANCHOR: change
        # What one process changes, the next call in any other sees.
        t.accounts.hold(account="acme", reason="billing")
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.map(worker, [store]) == [0]
        # ANCHOR_END: change
        t.close()


if __name__ == "__main__":
    main()
