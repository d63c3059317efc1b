"""Where will they go next? Recommendations on check-ins of a published split.

``./run bench recommend --dataset DIR --json``. What is scored has seen ``train.csv`` alone;
the learners were taught by who went where in ``tune.csv``; ``test.csv`` is only counted. Places
visited in train are removed, no id or order of ids is used (`recommend_data`).
"""

import argparse
import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.measuring import machine, print_result
from benchmarks.recommend_data import CheckIns, read_check_ins
from benchmarks.recommend_models import Scorer, cells_walk, ease, friends_jaccard, user_knn, walk
from benchmarks.recommend_ranking import (
    Candidates,
    candidates,
    most_visited,
    precision_recall,
    top_of,
)

__all__ = ["measured"]

PAGE = 10
EACH = 60  # candidates from each scorer
NEGATIVES = 0.25  # share of the candidates not visited that the learners see
# What an ablation leaves out, by how the names of features begin.
ABLATIONS = {
    "distance": ("distance", "cells"),
    "friends": ("friends",),
    "popularity": ("popularity",),
}


def scorers_of(data: CheckIns, known: sp.csr_array) -> Mapping[str, Scorer]:
    """The scorers, their constants chosen on train and tune."""
    visits = sp.csr_array((np.ones_like(known.data), known.indices, known.indptr), known.shape)
    return {
        "EASE": ease(visits, ridge=4.0, active=0.0, popular=0.0),
        "EASE, weighed": ease(visits, ridge=2.0, active=0.25, popular=0.25),
        "user kNN": user_knn(visits, neighbours=200, popular=0.25),
        "walk": walk(visits, popular=0.2),
        "cells, resolution 7": cells_walk(visits, data.lonlat, 7),
        "cells, resolution 5": cells_walk(visits, data.lonlat, 5),
        "friends": friends_jaccard(visits, data.friends),
    }


def measured(folder: Path) -> dict[str, Any]:
    """Precision and recall at 10 of each model, and of the best one with parts left out."""
    data = read_check_ins(folder)
    scorers = scorers_of(data, data.train)
    chosen = candidates(data, data.train, scorers, EACH)

    def judged(scores: npt.NDArray[np.float64]) -> dict[str, float]:
        best = top_of(chosen, scores, data.test.shape[0], PAGE)
        precision, recall = precision_recall(best, data.test)
        return {"p10": round(precision, 5), "r10": round(recall, 5)}

    precision, recall = precision_recall(most_visited(data.train, PAGE), data.test)
    rows: list[dict[str, Any]] = [
        {"model": "most visited", "p10": round(precision, 5), "r10": round(recall, 5)}
    ]
    for name in scorers:
        column = chosen.features[:, chosen.names.index(name)].astype(np.float64)
        rows.append({"model": name, **judged(column)})
    labels = chosen.labels(data.tune)
    rows.append({"model": "logistic regression", **judged(_logistic(chosen, labels))})
    rows.append({"model": "gradient boosting", **judged(_boosted(chosen, labels))})
    for part, prefixes in ABLATIONS.items():
        scores = _boosted(chosen, labels, prefixes)
        rows.append({"model": f"gradient boosting without {part}", **judged(scores)})
    reachable = chosen.labels(data.test).sum() / data.test.nnz
    return {
        "rows": rows,
        "users": data.test.shape[0],
        "places": data.test.shape[1],
        "twins": int(data.twins.sum()),
        "candidates": len(chosen.users),
        "candidates_recall": round(float(reachable), 4),
    }


def _taught(labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """All that was visited, and a share of what was not."""
    return labels | (np.random.default_rng(0).random(len(labels)) < NEGATIVES)


def _logistic(chosen: Candidates, labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Linear in the features."""
    taught = _taught(labels)
    learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    learner.fit(chosen.features[taught], labels[taught])
    scores: npt.NDArray[np.float64] = learner.decision_function(chosen.features)
    return scores


def _boosted(
    chosen: Candidates, labels: npt.NDArray[np.bool_], without: tuple[str, ...] = ()
) -> npt.NDArray[np.float64]:
    """Boosted trees, some features left out. Candidates stay: it is the ranking that is asked."""
    kept = [not name.startswith(without) for name in chosen.names] if without else slice(None)
    features, taught = chosen.features[:, kept], _taught(labels)
    learner = HistGradientBoostingClassifier(
        max_iter=120,
        learning_rate=0.08,
        max_leaf_nodes=24,
        min_samples_leaf=100,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=0,
    )
    learner.fit(features[taught], labels[taught])
    scores: npt.NDArray[np.float64] = learner.decision_function(features)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench recommend", description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the check-ins")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    dataset = options.dataset.resolve().name
    load_before = os.getloadavg()[0]
    started, worked = time.perf_counter(), time.process_time()
    figures = measured(options.dataset)
    result = {
        "dataset": dataset,
        **figures,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - worked, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        # Where the folder lies is the machine's matter.
        "command": f"./run bench recommend --dataset {dataset} --json",
        "machine": machine("numpy", "scipy", "scikit-learn"),
        "load_before": round(load_before, 2),
    }
    print_result(result, options.json, {"recommendations": figures["rows"]})


if __name__ == "__main__":
    main()
