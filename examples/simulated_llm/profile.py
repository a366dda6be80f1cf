"""How fast a simulated server is, and where each number comes from.

A server with continuous batching works in iterations. In each one every running
request gets one token, and some prompt tokens of new requests are read in as
well. So two numbers describe it: how long an iteration takes with ``n`` running
requests, and how many prompt tokens a second it reads.

All constants are approximations of published measurements, good for showing
where time goes in an application, not for choosing hardware.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Profile:
    """The timing of one model on one GPU.

    Args:
        name: Model, precision and GPU, as shown to the user.
        inter_token_ms: Published pairs (concurrent requests, mean time between
            two tokens of one request in milliseconds), by rising concurrency.
        prompt_tokens_per_s: Prompt tokens read per second.
        bench_prompt_tokens: Prompt length in the published measurement.
        bench_output_tokens: Output length in the published measurement.
        max_running: Requests that share an iteration; further ones queue.
        max_prompt_chunk: Prompt tokens read in one iteration at most (longer
            prompts are read in chunks, so that running requests do not stall).
        sources: The publications behind the numbers.
    """

    name: str
    inter_token_ms: tuple[tuple[int, float], ...]
    prompt_tokens_per_s: float
    bench_prompt_tokens: int
    bench_output_tokens: int
    max_running: int
    max_prompt_chunk: int
    sources: tuple[str, ...]

    def decode_s(self, running: int) -> float:
        """Seconds of an iteration that gives ``running`` requests a token each.

        The published times between tokens were taken under steady load, where
        each request that ends is replaced and the replacement's prompt is read
        between the others' tokens. That share is taken off here, because the
        scheduler adds the reading of prompts itself.
        """
        published_s = _interpolate(self.inter_token_ms, running) / 1000
        prompt_per_token = self.bench_prompt_tokens / self.bench_output_tokens
        return published_s - running * prompt_per_token / self.prompt_tokens_per_s

    def iteration_s(self, running: int, prompt_tokens: int) -> float:
        """Seconds of an iteration that also reads ``prompt_tokens`` of new prompts."""
        return self.decode_s(running) + prompt_tokens / self.prompt_tokens_per_s


def _interpolate(points: tuple[tuple[int, float], ...], x: int) -> float:
    """Piecewise linear through ``points``; flat before the first, on along the last slope."""
    if x <= points[0][0]:
        return points[0][1]
    segments = list(pairwise(points))
    for (x0, y0), (x1, y1) in segments:
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    (x0, y0), (x1, y1) = segments[-1]
    return y1 + (y1 - y0) * (x - x1) / (x1 - x0)


LLAMA_3_1_8B_H100 = Profile(
    name="Llama-3.1-8B-Instruct, FP8, one H100 80 GB",
    # NVIDIA's table gives 4.63 ms at 1 and 4.58 ms at 5 concurrent requests;
    # the first is used for both, so that time never falls as load rises.
    inter_token_ms=(
        (1, 4.63),
        (5, 4.63),
        (25, 5.19),
        (50, 5.91),
        (100, 7.57),
        (150, 9.81),
        (200, 12.65),
        (250, 16.14),
    ),
    # The table's own throughput and latencies fit 200 output tokens a request
    # (200 / (10.26 ms + 199 x 4.63 ms) = 214.7 tokens/s; published: 214.56),
    # and 4.63 ms is below what 16-bit weights allow at this GPU's bandwidth
    # (16 GB / 3.35 TB/s = 4.8 ms), so it is read as 200/200 tokens in FP8.
    bench_prompt_tokens=200,
    bench_output_tokens=200,
    # 2,048 prompt and 128 output tokens a request at 3,450 output tokens/s is
    # 27 requests/s, so 55,200 prompt tokens/s, the decoding included: a lower
    # limit for reading prompts alone.
    prompt_tokens_per_s=55_200,
    # Not measurements but ordinary server settings, far above this example's load.
    max_running=256,
    max_prompt_chunk=8192,
    sources=(
        'NVIDIA NIM for LLMs Benchmarking Guide, "Performance", section '
        '"Llama-3.1-8b-instruct Results", version 1.8.0 (time to first token, '
        "time between tokens and throughput by concurrency)",
        'TensorRT-LLM documentation, "Performance: Overview", release 1.0, table '
        '"Llama 3.1 8B", H100 TP1 FP8, input/output 2048/128 (3,450 output tokens/s)',
    ),
)
