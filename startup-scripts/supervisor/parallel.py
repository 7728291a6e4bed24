"""The same work for many things at once."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Callable, Iterable, TypeVar

from . import alive

In = TypeVar("In")
Out = TypeVar("Out")


def each(workers: Executor, work: Callable[[In], Out], things: Iterable[In]) -> list[Out]:
    """`work` of every thing, in order. After a failure nothing new begins; it is raised when all that ran has ended."""
    part = alive.current()

    def one(thing: In) -> Out:
        alive.act_for(part)
        return work(thing)

    futures = [workers.submit(one, thing) for thing in things]
    results: list[Out] = []
    problem: Exception | None = None
    for future in futures:
        try:
            results.append(future.result())
        except Exception as error:
            if problem is None:
                problem = error
                for waiting in futures:
                    waiting.cancel()
        alive.beat()
    if problem is not None:
        raise problem
    return results
