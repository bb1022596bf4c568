"""Hugging Face's `pipeline("text-classification")` in torch float32, in process.

As its documentation has it: a list is read in batches of `batch_size`, and torch uses all cores by itself.
"""

from transformers import pipeline

from benchmarks.peers.pipe import answer
from benchmarks.peers.torch_model import load


def main() -> None:
    """Answer the runner."""
    model, tokenizer = load()
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None, device="cpu")
    answer(lambda texts: classify(texts, batch_size=len(texts), truncation=True))


if __name__ == "__main__":
    main()
