"""The fast text model: TF-IDF of hashed n-grams projected by a truncated SVD, as a Gather and Sum graph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from models.ngrams import BUCKETS, hashed_ngrams
from training.heads import Shapes, save_graph

DIMENSIONS = 96


def fit_ngrams(path: Path, texts: Sequence[str], seed: int) -> None:
    """Fit on prepared texts and write ngrams.onnx: ids [n] → embedding [1, DIMENSIONS], of unit length.

    `rows` [n, DIMENSIONS], which the embedding is the scaled sum of, serve the explanation.
    """
    rows = [hashed_ngrams(text)[0] for text in texts]
    indices = np.concatenate(rows)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    counts = csr_matrix((np.ones(len(indices)), indices, indptr), shape=(len(rows), BUCKETS))
    counts.sum_duplicates()
    tfidf = TfidfTransformer(norm="l2").fit(counts)
    svd = TruncatedSVD(DIMENSIONS, random_state=seed).fit(tfidf.transform(counts))
    table = (svd.components_.T * tfidf.idf_[:, None]).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"], axis=0),
        helper.make_node("ReduceSum", ["rows", "first"], ["sum"], keepdims=1),
        helper.make_node("LpNormalization", ["sum"], ["sentence_embedding"], axis=-1, p=2),
    ]
    initial = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([0], dtype=np.int64), "first"),
    ]
    outputs: Shapes = {"sentence_embedding": (1, DIMENSIONS), "rows": ("n", DIMENSIONS)}
    save_graph(path, nodes, initial, {"ids": ("n",)}, outputs, kind=TensorProto.INT64)
