"""Replications: the same cases, seed by seed, under every policy and at every utilisation."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from models.bundle import Bundle
from models.policy import Policy
from serving.simulation.cases import draw
from serving.simulation.engine import Outcome, serve
from serving.simulation.measure import measure
from serving.simulation.ranking import NAMES, UNLIMITED, Scene, queue
from serving.simulation.reports import draw_reports
from serving.simulation.scores import Answers, draw_scores, places
from serving.simulation.staffing import Cover, reviewers
from serving.simulation.world import World


@dataclass(frozen=True)
class Figures:
    """What one policy came to in one run."""

    scenario: str
    utilisation: float
    policy: str
    seed: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Plan:
    """What is simulated: the world, the bundle whose held-out answers it scores with, and the policy that is ours."""

    world: World
    bundle: Bundle
    policy: Policy
    names: Sequence[str] = tuple(NAMES)

    def scene(self, scenario: str, seed: int) -> Scene:
        """One run with everything that policies may look at; the same seed gives the same."""
        world = self.world
        answers = Answers.of(self.bundle, list(world.categories))
        base = [answers.bundle.taxonomy[key].base_severity for key in world.categories]
        cases = draw(world, world.scenarios[scenario], base, seed, max(world.utilisations))
        reports = draw_reports(world, cases, seed)
        scores = draw_scores(world, cases, answers, seed)
        placed = places(world, cases, reports, scores, answers, self.policy)
        return Scene(world, cases, reports, scores, placed, self.policy)

    def replicate(self, scenario: str, seed: int) -> list[Figures]:
        """One run under every policy and at every utilisation, which take the same cases, the fewer some at random."""
        scene, world = self.scene(scenario, seed), self.world
        staff, found = reviewers(world.teams, world.hours), []
        cover = Cover.of(staff)
        for utilisation in world.utilisations:
            came = scene.cases.lot < utilisation / max(world.utilisations)
            coming = np.flatnonzero(came[scene.reports.case]).tolist()
            for name in self.names:
                outcome = serve(
                    queue(name, scene),
                    coming,
                    scene.reports.case,
                    scene.reports.time,
                    scene.cases.minutes,
                    staff,
                    world.hours,
                )
                found.append(Figures(scenario, utilisation, name, seed, measure(scene, outcome, came, cover)))
            unlimited = measure(scene, _at_once(scene, cover), came, cover)
            found.append(Figures(scenario, utilisation, UNLIMITED, seed, unlimited))
        return found


def _at_once(scene: Scene, cover: Cover) -> Outcome:
    """What no policy can better: as many reviewers as there are cases, whenever anybody is at work at all."""
    begun = cover.next(scene.cases.arrival)
    return Outcome(begun, begun + scene.cases.minutes / 60)


def replications(plan: Plan, seeds: Sequence[int], processes: int = 1) -> Iterator[list[Figures]]:
    """Every scenario with every seed, in order."""
    jobs = [(scenario, seed) for seed in seeds for scenario in plan.world.scenarios]
    if processes == 1:
        for scenario, seed in jobs:
            yield plan.replicate(scenario, seed)
        return
    # Spawned, as forked children of a process with threads may hang.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(plan.replicate, *zip(*jobs, strict=True))
