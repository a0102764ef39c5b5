"""One deployment after the other until one has answered: the order of a call's attempts, whatever is asked for."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from headgate.core.problems import ClientError, Problem
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.conduct import attempt_lines
from headgate.providers.catalog import Deployment
from headgate.routing.plan import Plan
from headgate.routing.verdicts import RULES, Situation, Verdict, summary, verdict


class Trial(Protocol):
    """One attempt, ready to be made."""

    async def run(self, number: int, allowance_s: float, deadline_s: float) -> Problem | None:
        """Makes it. None: the client has its answer; else why not."""
        ...


class Trying:
    """The attempts of one call."""

    def __init__(self, call: Call, answerer: Answerer, plan: Plan, usual_s: float) -> None:
        self._call = call
        self._answerer = answerer
        self._plan = plan
        self._usual_s = usual_s
        """How long one attempt may take while another candidate is left."""
        self._problems: list[Problem] = []
        self._number = 0
        limit_s, own_s = plan.route.timeout_s, call.timeout_s
        self._deadline_s = call.started_s + (limit_s if own_s is None else min(limit_s, own_s))

    async def run(self, prepare: Callable[[Deployment], Trial]) -> None:
        """Tries until one has answered; else tells the client what to know. `prepare` raises a `ClientError` for a
        deployment that cannot be asked such a thing."""
        refusal: Problem | None = None
        others_left = len(self._plan.deployments)
        for deployment in self._plan.deployments:
            others_left -= 1
            try:
                trial = prepare(deployment)
            except ClientError as error:
                refusal = error.problem
                continue
            if await self._exhaust(deployment, trial, prepare, others_left):
                return
        if self._problems:
            self._tell()
        elif refusal is not None:
            self._answerer.refuse(refusal)

    async def _exhaust(
        self, deployment: Deployment, trial: Trial, prepare: Callable[[Deployment], Trial], others_left: int
    ) -> bool:
        """Tries one deployment as often as it is worth it. True: the client has been told."""
        repeats = 0
        while True:
            self._number += 1
            problem = await trial.run(self._number, self._allowance_s(others_left), self._deadline_s)
            if problem is None:
                return True
            self._problems.append(problem)
            step = verdict(self._situation(problem, others_left, repeats))
            if step.verdict is Verdict.GIVE_UP:
                self._tell()
                return True
            if step.verdict is Verdict.NEXT:
                return False
            repeats += 1
            await asyncio.sleep(step.wait_s)
            trial = prepare(deployment)

    def _allowance_s(self, others_left: int) -> float:
        """All that is left for the last candidate, else a share."""
        remaining_s = self._deadline_s - time.monotonic()
        return remaining_s if others_left == 0 else min(self._usual_s, remaining_s / (others_left + 1))

    def _situation(self, problem: Problem, others_left: int, repeats: int) -> Situation:
        route = self._plan.route
        return Situation(
            outcome=problem.outcome,
            is_committed=self._answerer.is_committed,
            others_left=others_left,
            attempts_left=route.attempts_max - self._number,
            repeats=repeats,
            retries_same_first=route.retry_same_first,
            retry_after_s=problem.retry_after_s,
            remaining_s=self._deadline_s - time.monotonic(),
        )

    def _tell(self) -> None:
        if self._answerer.is_committed:
            return
        problem = summary(self._problems, is_late=time.monotonic() >= self._deadline_s)
        attempts = () if RULES[self._problems[-1].outcome].is_callers else attempt_lines(self._call.record)
        self._answerer.refuse(problem, attempts=attempts)
