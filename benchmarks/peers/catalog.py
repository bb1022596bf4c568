"""The peers: what each is called, what it runs in, and how it is asked."""

from benchmarks.over_http import BULK
from benchmarks.peers.running import Peer, Process, Server

BOTH = ((BULK, 4), (1, 16))  # texts a request and connections, as Frontline is asked


def _texts(texts: list[str]) -> object:
    return {"texts": texts}


def _v2(texts: list[str]) -> object:
    return {"inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}]}


def _frame(texts: list[str]) -> object:
    return {"dataframe_split": {"columns": ["text"], "data": [[text] for text in texts]}}


def _text(texts: list[str]) -> object:
    (text,) = texts
    return {"text": text}


PEERS: tuple[Peer, ...] = (
    Process("pipeline", "Hugging Face pipeline, torch float32", "torch", "torch_pipeline", sizes=(BULK, 1)),
    Process("padded", "Detoxify's way, torch float32", "torch", "torch_padded", sizes=(BULK,)),
    Server(
        "starlette",
        "Starlette + onnxruntime as it is",
        "starlette",
        "starlette_server",
        "/score",
        _texts,
        BOTH,
        threads=0,
    ),
    Server(
        "starlette-tuned",
        "Starlette + onnxruntime, one thread a worker",
        "starlette",
        "starlette_server",
        "/score",
        _texts,
        BOTH,
    ),
    # LitServe takes one text a request and joins what waits: a caller in bulk sends many at once.
    Server("litserve", "LitServe + onnxruntime", "litserve", "litserve_server", "/predict", _text, ((1, 64), (1, 16))),
    Server("mlserver", "MLServer + onnxruntime", "mlserver", "mlserver_server", "/v2/models/peer/infer", _v2, BOTH),
    Server("mlflow", "mlflow models serve + onnxruntime", "mlflow", "mlflow_server", "/invocations", _frame, BOTH),
)
