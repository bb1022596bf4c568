"""The way of the Detoxify library, in process: one forward pass in torch float32 over the whole padded list."""

import torch

from benchmarks.peers.pipe import answer
from benchmarks.peers.torch_model import load


def main() -> None:
    """Answer the runner."""
    model, tokenizer = load()

    @torch.no_grad()
    def predict(texts: list[str]) -> list[list[float]]:
        inputs = tokenizer(texts, return_tensors="pt", truncation=True, padding=True)
        probabilities: list[list[float]] = torch.sigmoid(model(**inputs).logits).tolist()
        return probabilities

    answer(predict)


if __name__ == "__main__":
    main()
