"""`frontline behaviour`: the command itself; what it needs is loaded when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from models.loading import load_bundle
from models.scorer import Scorer
from serving.champion import champion_path
from serving.settings import Settings


def behaviour(
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder. Default: the champion.")] = None,
    failures: Annotated[bool, typer.Option(help="List the ids of the cases that failed.")] = False,
) -> None:
    """Run the behavioural suites on a bundle: what it must get right, what must not matter to it. Takes minutes."""
    from rich.console import Console

    from training.behaviour.faithfulness import faithfulness
    from training.behaviour.measure import measure
    from training.behaviour.results import show

    settings = Settings()
    scorer = Scorer(load_bundle(bundle or champion_path(settings.home) or settings.bundle))
    with Console(stderr=True).status("Asking the model"):
        results = measure(scorer) | faithfulness(scorer)
    Console().print(show(results, failures=failures), highlight=False)
    missed = [result.suite for result in results.values() if not result.passed]
    typer.echo(f"{len(results) - len(missed)} of {len(results)} suites reach their bars.")
