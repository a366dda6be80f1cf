"""Run LangGraph's own test suites with every graph wrapped, and compare with plain runs.

For each suite: fetch the source distribution of the *installed* version, copy
its tests away from the package source beside them (the installed package is
what must be tested), run them plain and wrapped, and compare the tests that
pass. The plain run is kept in ``.cache`` until an installed package changes.

Usage: ``python -m tests.conformance.run --policy proven``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from tests.conformance.verdict import Outcomes, Verdict, compare, load_exceptions

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
CACHE = REPOSITORY / ".cache" / "conformance"
SUITES = ("langgraph", "langgraph-prebuilt")
# A test that hangs costs its worker: xdist starts another one. (A signal would not
# do: some hangs are in LangGraph's clean-up, which would just wait again.)
TEST_SECONDS = 60
SUITE_SECONDS = 25 * 60
# Some tests measure time. A few may miss it on a busy machine, so a failure gets
# one second try on its own; more than this many are not bad luck.
MAX_AGAIN = 10


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite laid out to be run: ``folder`` holds its tests and its pytest settings."""

    name: str
    version: str
    folder: Path

    @property
    def results(self) -> Path:
        return self.folder.parent


def fetch(name: str) -> Suite:
    """Get the tests that belong to the installed version of a distribution."""
    version = metadata.version(name)
    home = CACHE / f"{name}-{version}"
    suite = Suite(name, version, home / "suite")
    if suite.folder.exists():
        return suite
    shutil.rmtree(home, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "-qq", "download", "--no-deps", "--no-binary", ":all:"]
    command += ["--no-build-isolation", "--dest", str(home), f"{name}=={version}"]
    subprocess.run(command, check=True)
    (archive,) = home.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(home / "sdist", filter="data")
    (source,) = (home / "sdist").iterdir()
    partial = home / "partial"
    shutil.copytree(source / "tests", partial / "tests")
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(source / file, partial)
    shutil.rmtree(home / "sdist")
    partial.rename(suite.folder)
    return suite


def environment_digest() -> str:
    """Names this interpreter and all that is installed for it, but not our own package."""
    packages = sorted(
        f"{d.name}=={d.version}" for d in metadata.distributions() if d.name != "langgraph-alto"
    )
    return hashlib.sha256("\n".join([sys.version, *packages]).encode()).hexdigest()[:12]


def run_suite(suite: Suite, policy: str, label: str) -> Outcomes:
    """Run a suite in a subprocess; ``policy`` is empty for plain LangGraph.

    Raises:
        RuntimeError: pytest did not get as far as running tests, or took longer
            than `SUITE_SECONDS`.
    """
    first = _pytest(suite, policy, label, ["tests", "-n", "2"])
    failed = sorted(first.failed)
    if not 0 < len(failed) <= MAX_AGAIN:
        return first
    second = _pytest(suite, policy, f"{label}-again", [*failed, "-n", "1"])
    again = tuple(t for t in failed if t in second.passed)
    return Outcomes(
        {**first.outcomes, **dict.fromkeys(again, "passed")}, first.messages, first.seconds, again
    )


def _pytest(suite: Suite, policy: str, label: str, arguments: Sequence[str]) -> Outcomes:
    report, log = suite.results / f"{label}.json", suite.results / f"{label}.log"
    report.unlink(missing_ok=True)
    # addopts: theirs print full traces and, for each failure, whole snapshots.
    command = [sys.executable, "-m", "pytest", *arguments, "-p", "alto_conformance", "-q"]
    command += ["-o", "addopts=", "--tb=short", "-p", "no:cacheprovider"]
    command += [f"--timeout={TEST_SECONDS}", "--timeout-method=thread"]
    private = ("LANGSMITH_", "LANGCHAIN_", "PYTEST_", "COV_", "COVERAGE_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(private)}
    environment |= {
        "NO_DOCKER": "true",
        "PYTHONPATH": str(HERE),
        "ALTO_POLICY": policy,
        "ALTO_OUTCOMES": str(report),
    }
    start = time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=suite.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            process.wait(SUITE_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{suite.name}: no end after {SUITE_SECONDS} s; see {log}") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with xdist's workers
    seconds = time.monotonic() - start
    data = json.loads(report.read_text()) if report.exists() else {"exit": None, "outcomes": {}}
    if data["exit"] not in (0, 1) or not data["outcomes"]:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"{suite.name}: pytest ran no tests; the end of {log}:\n{tail}")
    return Outcomes(data["outcomes"], data["messages"], seconds)


def plain_run(suite: Suite) -> tuple[Outcomes, bool]:
    """The suite without Alto, and whether an earlier run was used."""
    kept = suite.results / f"kept-{environment_digest()}.json"
    if kept.exists():
        return Outcomes(**json.loads(kept.read_text())), True
    outcomes = run_suite(suite, "", "plain")
    kept.write_text(json.dumps(asdict(outcomes), indent=1))
    return outcomes, False


def show(suite: Suite, label: str, plain: Outcomes, wrapped: Outcomes, verdict: Verdict) -> None:
    for test in wrapped.again:
        print(f"    again    {test} passed on its second try: {wrapped.messages.get(test)}")
    for test in verdict.lost:
        outcome = wrapped.outcomes.get(test, "not run")
        print(f"    lost     {test} [{outcome}] {wrapped.messages.get(test, '')}".rstrip())
    for test in verdict.gained:
        print(f"    gained   {test} [plain: {plain.outcomes.get(test, 'not run')}]")
    for test in verdict.excepted:
        print(f"    excepted {test}")
    for entry in verdict.stale:
        print(f"    stale    {entry.test} no longer differs: remove it from exceptions.toml")
    if not verdict.ok:
        print(f"    log      {(suite.results / f'{label}.log').relative_to(REPOSITORY)}")


def check(name: str, policy: str) -> tuple[Verdict, int]:
    """Run and compare one suite; the verdict, and how many tests passed wrapped."""
    suite = fetch(name)
    print(f"{suite.name} {suite.version}", flush=True)
    plain, was_kept = plain_run(suite)
    note = ", from an earlier run" if was_kept else ""
    print(f"    plain    {plain.counts()} in {plain.seconds:.0f} s{note}", flush=True)
    wrapped = run_suite(suite, "" if policy == "plain" else policy, f"with-{policy}")
    print(f"    {policy:8} {wrapped.counts()} in {wrapped.seconds:.0f} s", flush=True)
    known = [e for e in load_exceptions(HERE / "exceptions.toml") if e.covers(name, policy)]
    verdict = compare(plain, wrapped, known)
    show(suite, f"with-{policy}", plain, wrapped, verdict)
    return verdict, len(wrapped.passed)


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="LangGraph's test suites, wrapped against plain")
    # "plain" compares LangGraph with itself: what differs then is the suite's own unrest.
    parser.add_argument("--policy", default="proven", choices=["proven", "speculative", "plain"])
    parser.add_argument("--suite", action="append", choices=SUITES, help="default: all")
    options = parser.parse_args(None if arguments is None else list(arguments))
    try:
        results = [check(name, options.policy) for name in options.suite or SUITES]
    except (RuntimeError, ValueError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    differing = sum(len(v.lost) + len(v.gained) + len(v.stale) for v, _ in results)
    excepted = sum(len(v.excepted) for v, _ in results)
    word = "the same as plain" if not differing else f"{differing} differences from plain"
    total = sum(passed for _, passed in results)
    print(f"conformance ({options.policy}): {word}; {total} tests pass, {excepted} excepted")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
