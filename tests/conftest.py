"""What all tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No test may talk to a tracing service, whatever the developer's shell has set.
os.environ["LANGSMITH_TRACING"] = os.environ["LANGCHAIN_TRACING_V2"] = "false"

# Timings vary on a busy machine, so no deadline. CI draws the same examples each
# time; developers draw new ones, and see how to repeat what they found.
settings.register_profile("dev", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, derandomize=True)
# The same examples in every run, unless others are asked for.
settings.load_profile("dev" if os.environ.get("ALTO_HYPOTHESIS_PROFILE") == "random" else "ci")


def _postgres_programs() -> Path | None:
    on_path = shutil.which("pg_ctl")
    if on_path:
        return Path(on_path).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return debian[-1].parent if debian else None


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    """A PostgreSQL server of this test process's own, on a socket in a temporary folder.

    Skips where PostgreSQL is not installed, except under ``CI``.
    """
    programs = _postgres_programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed (Debian: postgresql)")
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    # Not tmp_path: a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="alto-pg-") as name:
        home = Path(name)
        # The server refuses to run as root.
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if as_user:
            shutil.chown(home, "postgres")

        def run(program: str, *arguments: str) -> None:
            command = [*as_user, str(programs / program), "-D", str(home / "data"), *arguments]
            # The server inherits the log, not pipes, which it would keep open.
            with (home / "log").open("ab") as log:
                subprocess.run(command, check=True, cwd=home, stdout=log, stderr=log)

        run("initdb", "-U", "postgres", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
        run("pg_ctl", "start", "--wait", "-o", options)
        try:
            yield f"postgresql://postgres@/postgres?host={home}"
        finally:
            run("pg_ctl", "stop", "--mode=immediate")
