"""Starts the real vLLM servers, runs a command beside them, and stops them.

    python -m tests.vllm.serve [COMMAND ...]

Without a command, the servers run until this is interrupted. With one, it finds their
addresses (up to and with ``/v1``) in the environment: ``ALTO_VLLM_URL`` serves `CHAT`,
``ALTO_VLLM_EMBEDDING_URL`` serves `EMBEDDING`. `make test-vllm` sets up what is needed.
With ``--unable`` it only says, by status 0, that this machine cannot run them.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".cache" / "vllm"
PYTHON = HOME / "venv" / "bin" / "python"

CHAT, EMBEDDING = "smollm2-135m", "all-minilm-l6-v2"
URL, EMBEDDING_URL = "ALTO_VLLM_URL", "ALTO_VLLM_EMBEDDING_URL"
START_S, STOP_S = 300, 15

CHAT_OPTIONS = (
    *("--model", str(HOME / "models" / "chat"), "--served-model-name", CHAT),
    *("--dtype", "bfloat16", "--max-model-len", "2048", "--max-num-seqs", "32"),
    *("--scheduling-policy", "priority"),
    *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    # Where any JSON is allowed, a small model may go on with blanks for ever.
    *("--structured-outputs-config", '{"disable_any_whitespace": true, "backend": "xgrammar"}'),
)
EMBEDDING_OPTIONS = (
    *("--model", str(HOME / "models" / "embedding"), "--served-model-name", EMBEDDING),
    *("--runner", "pooling", "--dtype", "float32"),
)


def unable() -> str | None:
    """Why this machine cannot run vLLM's CPU build as pinned; ``None`` where it can."""
    if sys.version_info[:2] != (3, 11):
        return "what it needs is pinned for Python 3.11"
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return f"its CPU build is for x86-64 Linux, this is {platform.system()}"
    if "avx2" not in Path("/proc/cpuinfo").read_text().split():
        return "its CPU build needs AVX2, which this processor does not have"
    return None


def free_port() -> int:
    """A port nobody listens at now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """One vLLM server, in a process group of its own, listening on 127.0.0.1 only.

    Args:
        name: Names its log.
        options: vLLM's command line options.
        port: Where it listens; a free one by default.
    """

    def __init__(self, name: str, options: tuple[str, ...], port: int | None = None) -> None:
        self.port = port or free_port()
        self.log = HOME / f"{name}.log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, up to and with ``/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start it; `wait` for it before it is used."""
        own = {
            "VLLM_TARGET_DEVICE": "cpu",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        module = (str(PYTHON), "-m", "vllm.entrypoints.openai.api_server")
        place = ("--host", "127.0.0.1", "--port", str(self.port), "--enforce-eager")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*module, *self._options, *place],
                cwd=HOME,
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when it answers.

        Raises:
            RuntimeError: It ended, or did not answer within five minutes.
        """
        assert self._process is not None
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        tail = self.log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"The server did not start; the end of {self.log.name}:\n{tail}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End its whole process group, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        for sent in (how, signal.SIGKILL):
            try:
                os.killpg(process.pid, sent)
            except ProcessLookupError:
                break
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                continue
        process.wait()


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """The servers, answering; they start side by side."""
    with ExitStack() as stack:
        for server in servers:
            server.start()
            stack.callback(server.stop)
        for server in servers:
            server.wait()
        yield


def main() -> int:
    """Serve, run the command, and return its status."""
    reason = unable()
    if sys.argv[1:] == ["--unable"]:
        return int(reason is None)
    if reason:
        print(f"SKIPPED: vLLM cannot run here: {reason}", file=sys.stderr)
        return 0
    HOME.mkdir(parents=True, exist_ok=True)
    models = str(HOME / "models")
    converting = [str(PYTHON), str(ROOT / "tests" / "vllm" / "convert.py"), models]
    subprocess.run(converting, check=True, env={**os.environ, "TQDM_DISABLE": "1"})
    # So that a time limit on this process ends the servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chat, embedding = Server("chat", CHAT_OPTIONS), Server("embedding", EMBEDDING_OPTIONS)
    start = time.monotonic()
    with running(chat, embedding):
        took = time.monotonic() - start
        print(f"vLLM answers after {took:.0f} s: {URL}={chat.url} {EMBEDDING_URL}={embedding.url}")
        sys.stdout.flush()
        if not sys.argv[1:]:
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
            return 0
        addresses = {URL: chat.url, EMBEDDING_URL: embedding.url}
        return subprocess.run(sys.argv[1:], env={**os.environ, **addresses}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
