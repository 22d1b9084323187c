"""``python -m tests.e2e.failover TIMES``: seconds to be whole after the owner was killed in mid-deployment."""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.stage import Stage, until
from tests.natsd import NatsServer
from wadm.hosts.behaviour import HostBehaviour

APPLICATIONS = 12
SLOW = HostBehaviour(pull_delay=(0.2, 1.0))


async def once(directory: Path) -> float:
    """Kill the owner while it deploys; return the seconds from then until all runs and is said to."""
    nats = NatsServer(directory / "nats").start()
    stage = Stage([nats.url], directory)
    try:
        await stage.start(habits=SLOW)
        await stage.serve("a", "b", "c")
        names = [f"app-{number}" for number in range(APPLICATIONS)]
        deploying = asyncio.create_task(stage.deploy(names))
        await until(lambda: stage.changes() >= APPLICATIONS)
        owner = await stage.some_owner()
        await deploying
        stage.instances[owner].kill()
        return await stage.until_whole(names)
    finally:
        await stage.close()
        nats.stop(signal.SIGKILL)


def main(times: int) -> None:
    found = []
    for number in range(times):
        with TemporaryDirectory(prefix="wadm-failover-") as directory:
            found.append(asyncio.run(once(Path(directory))))
        sys.stdout.write(f"{number + 1:3}: {found[-1]:5.2f} s\n")
    sys.stdout.write(f"least {min(found):.2f} s, median {statistics.median(found):.2f} s, most {max(found):.2f} s\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
