"""Threads that take turns: every order of their steps, up to some number of interruptions.

A step ends where a thread calls `Turns.pause`, takes a `TurnLock` or returns. Who goes on is
chosen, not left to the machine: so an order that fails can be told, and run again.
"""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from waiting import PATIENCE_S


class Step(NamedTuple):
    """Who took a step, who could have, and who had taken the one before."""

    actor: int
    able: tuple[int, ...]
    before: int | None


class Turns:
    """One run of some actors."""

    def __init__(self) -> None:
        self._actor = threading.local()
        self._goes: list[threading.Semaphore] = []
        self._paused = threading.Semaphore(0)
        self._waits: dict[int, TurnLock | None] = {}  # of those that have not returned
        self._silent: set[int] = set()
        self._failed: list[BaseException] = []

    def pause(self, waits: "TurnLock | None" = None) -> None:
        """Let others go first; nothing where an actor holds a silent lock, or outside of one."""
        number: int | None = getattr(self._actor, "number", None)
        if number is not None and number not in self._silent:
            self._waits[number] = waits
            self._paused.release()
            assert self._goes[number].acquire(timeout=PATIENCE_S)

    def run(self, actors: Sequence[Callable[[], object]], order: Sequence[int]) -> list[Step]:
        """Have all actors return; ``order`` says who takes the first steps, and after that each
        goes on as long as it can."""
        steps: list[Step] = []
        self._goes = [threading.Semaphore(0) for _ in actors]
        self._waits = dict.fromkeys(range(len(actors)))
        threads = [
            threading.Thread(target=self._act, args=pair, daemon=True) for pair in enumerate(actors)
        ]
        for thread in threads:
            thread.start()
        before = None
        while self._waits:
            able = tuple(n for n, lock in self._waits.items() if lock is None or not lock.held)
            assert able, "all wait for each other"
            actor = before if before in able else able[0]
            actor = order[len(steps)] if len(steps) < len(order) else actor
            steps.append(Step(actor, able, before))
            before = actor
            self._goes[actor].release()
            assert self._paused.acquire(timeout=PATIENCE_S)
        for thread in threads:
            thread.join(PATIENCE_S)
        if self._failed:
            raise self._failed[0]
        return steps

    def _act(self, number: int, actor: Callable[[], object]) -> None:
        self._actor.number = number
        assert self._goes[number].acquire(timeout=PATIENCE_S)
        try:
            actor()
        except BaseException as error:  # told by `run`
            self._failed.append(error)
        del self._waits[number]
        self._paused.release()

    def lock(self, *, silent: bool = False) -> "TurnLock":
        """A lock whose holder pauses where it would; not at all, if ``silent``."""
        return TurnLock(self, silent=silent)


class TurnLock:
    """A lock that is taken in turns."""

    def __init__(self, turns: Turns, *, silent: bool) -> None:
        self.held = False
        self._turns, self._silent = turns, silent

    def __enter__(self) -> None:
        self._turns.pause(self)
        assert not self.held
        self.held = True
        number = getattr(self._turns._actor, "number", None)
        if self._silent and number is not None:
            self._turns._silent.add(number)

    def __exit__(self, *raised: object) -> None:
        self.held = False
        if self._silent:
            self._turns._silent.discard(getattr(self._turns._actor, "number", None))


def every_order(run: Callable[[Sequence[int]], list[Step]], interruptions: int) -> int:
    """Run in every order in which no more than so many actors are interrupted; how many there are.

    Who waits, or has returned, is not interrupted by who goes on.
    """
    pending: list[tuple[tuple[int, ...], int]] = [((), 0)]
    count = 0
    while pending:
        order, used = pending.pop()
        count += 1
        steps = run(order)
        for n, step in enumerate(steps[len(order) :], len(order)):
            cost = used + (step.before in step.able)
            if cost <= interruptions:
                so_far = tuple(one.actor for one in steps[:n])
                pending += [((*so_far, other), cost) for other in step.able if other != step.actor]
    return count
