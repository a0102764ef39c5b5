"""All that is known of the deployments in use: how fast, how well, how busy, what is left. Pure: time is an argument.

Three events of an attempt go in: it was sent, its first token came, it ended. Requests that are overdue are found by
`sweep`, before anything is decided. What is known is a `Standing` of a deployment, as one call would meet it.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from headgate.core.problems import Outcome, Problem
from headgate.core.usage import Usage
from headgate.providers.catalog import Deployment
from headgate.routing.estimate import FIRST_TOKEN, WHOLE_ANSWER, Estimator, Prediction
from headgate.routing.gaps import Gaps
from headgate.routing.health import ANSWERED, BLAME, CONNECTS_MAX, FAILURES_MAX, Domain, SelfBlame, State
from headgate.routing.quotas import Concurrency, Mark, Need, Quota, read_limits

MEMBERS_MAX: Final = 4096
"""Deployments that are remembered; names of models come from callers."""
NO_MARK: Final = Mark(0.0, 0.0, 0.0)
HOST_IDLE_S: Final = 60.0
"""A host without a request for so long does not count among those in use."""
TOKENS_PER_S_MAX: Final = 5_000.0
_REFUSED: Final = frozenset({Outcome.RATE, Outcome.OVERLOAD})
_TOLD: Final = frozenset({Outcome.OVERLOAD, Outcome.SERVER})
"""The upstream itself says that it fails: that is not us, however many say so at once."""
_GIVEN_UP: Final = frozenset({Outcome.SLOW, Outcome.STALL, Outcome.CLIENT_GONE, Outcome.LOCAL})
"""It would have taken longer: how much is not known."""
_UNLIMITED: Final = Concurrency.LIMIT_MAX
LIMIT_MARK: Final = "ratelimit"
"""What the name of a header field that tells of quotas holds."""
TOLD_INTERVAL_S: Final = 0.1
OVERDUE_LEAST_S: Final = 0.3
"""Nothing is overdue before: so near to us our own hiccups would count as an upstream's."""
OVERDUE_MAX: Final = 64
DUE_MIN: Final = 1024
KNOWN_SAMPLES: Final = 30.0
SURE_SAMPLES: Final = 100.0
"""With fewer, a 95th percentile may be a 70th: the fast answers come first. Then the 99th is taken for it."""
AILING_LEAST_S: Final = 1.0
"""What is over sooner than this is waited for."""
PROBE_S: Final = 5.0
"""How long a trial of a half-open deployment may keep its caller waiting."""
MOVE_FACTOR: Final = 1.5
"""Of the time that one request in a thousand takes: after so long a request is given up for another deployment."""
MOVE_S: Final = (2.0, 30.0)
MOVE_WHOLE_S: Final = (5.0, 600.0)
_LEARN: Final = 0.05
"""How much the last answer counts in what is usual of a deployment."""


class Member:
    """One deployment, its domains and its estimators."""

    __slots__ = (
        "account",
        "cached_share",
        "deployment",
        "gaps",
        "health",
        "host",
        "id",
        "in_flight",
        "limit",
        "model",
        "newest",
        "output_tokens",
        "overdue",
        "quota",
        "stream",
        "tokens_per_s",
        "told_s",
        "used_s",
        "whole",
    )

    def __init__(self, deployment: Deployment, host: Domain, account: Domain) -> None:
        self.deployment = deployment
        self.id = deployment.id
        self.model = deployment.model
        self.host = host
        self.account = account
        self.health = Domain(self.id)
        self.quota = Quota()
        self.limit = Concurrency()
        self.in_flight = 0
        self.newest = 0
        """The number of the latest request whose answer has begun."""
        self.overdue: list[Ticket] = []
        """Requests that have passed their p95 and may still be on their way."""
        self.used_s = self.told_s = -inf
        self.cached_share = 0.0
        """Of the prompt's tokens, those that usually come from its cache."""
        self.output_tokens = 300.0
        """Of a usual answer."""
        self.tokens_per_s = 50.0
        """Of a usual stream, after its first token."""
        self.gaps = Gaps()
        self.stream = Estimator(FIRST_TOKEN)
        self.whole = Estimator(WHOLE_ANSWER)

    @property
    def domains(self) -> tuple[Domain, Domain, Domain]:
        """From the widest to the narrowest."""
        return self.host, self.account, self.health

    @property
    def is_plain(self) -> bool:
        """Whether nothing at all is to be minded: it is well, and has told of no quota."""
        quota = self.quota
        return not quota.buckets and quota.not_before_s == -inf and self.is_well

    @property
    def is_well(self) -> bool:
        """Whether it has not failed lately and takes any number at a time. Asked for every call."""
        health, host, account = self.health, self.host, self.account
        return (
            health.state is host.state is account.state is State.HEALTHY
            and not (health.bad or host.bad or account.bad)
            and self.limit.limit == _UNLIMITED
        )

    def estimator(self, *, is_stream: bool) -> Estimator:
        """The one for that kind of answer."""
        return self.stream if is_stream else self.whole


class Ticket:
    """One attempt on its way."""

    __slots__ = (
        "first_s",
        "is_over",
        "is_overdue",
        "is_stream",
        "mark",
        "member",
        "need",
        "number",
        "on_late",
        "patience_s",
        "predicted",
        "probing",
        "sent_s",
    )

    def __init__(self, member: Member, need: Need, predicted: Prediction, sent_s: float, *, is_stream: bool) -> None:
        self.member = member
        self.need = need
        self.predicted = predicted
        self.sent_s = sent_s
        self.number = 0
        self.mark = NO_MARK
        self.patience_s = 0.0
        """After so long without a token it is overdue."""
        self.is_stream = is_stream
        self.on_late: Callable[[], None] | None = None
        """What to do when it is overdue; None: nothing can be done."""
        self.first_s: float | None = None
        """When the first token came."""
        self.is_overdue = False
        self.is_over = False
        self.probing: tuple[Domain, ...] = ()
        """The half-open domains that it tries."""


class Heard(Struct, frozen=True, kw_only=True, gc=False):
    """What came of something else that was asked of a deployment: a count, a live session. It teaches no times."""

    outcome: Outcome
    sent_s: float
    problem: Problem | None = None
    """What an upstream that failed said."""
    is_models: bool = True
    """Whether it was the model that was asked, and not something beside it."""


class Standing(Struct, gc=False):
    """A deployment as a call would meet it now."""

    member: Member
    state: State
    """The worst of its domains'."""
    weight: float
    """The share of its usual traffic, 0.05 to 1."""
    wait_s: float
    """How long until its quota has room; 0: now."""
    has_room: bool
    """Whether it takes one more at a time."""
    failed_s: float
    """When it, its account or its host failed last."""
    idle_s: float = inf
    """Since a request went there last."""


_RANK: Final = {State.HEALTHY: 0, State.RAMPING: 1, State.HALF_OPEN: 2, State.SUSPECT: 3, State.OPEN: 4}


class Fleet:
    """The deployments in use."""

    def __init__(self, members_max: int = MEMBERS_MAX) -> None:
        self._members_max = members_max
        self._members: dict[str, Member] = {}
        self._hosts: dict[str, Domain] = {}
        self._accounts: dict[str, Domain] = {}
        self._due: list[tuple[float, int, Ticket]] = []
        self._due_max = DUE_MIN
        self._number = 0
        self._panics_s: dict[str, float] = {}
        self.blame = SelfBlame()
        self.generation = 0
        """Another one once members have been forgotten, or stand for something else."""

    def member(self, deployment: Deployment) -> Member:
        """What is known of a deployment; nothing yet of a new one but what its model took elsewhere."""
        found = self._members.get(deployment.id)
        if found is not None and found.deployment is deployment:
            return found
        if found is not None and found.deployment == deployment:
            found.deployment = deployment
            return found
        if len(self._members) >= self._members_max:
            self._forget()
        host = _host(deployment)
        made = Member(
            deployment,
            self._hosts.setdefault(host, Domain(host)),
            self._accounts.setdefault(deployment.provider, Domain(deployment.provider)),
        )
        for other in self._members.values():
            if other.model == made.model and other.stream.samples > 1.0:
                made.stream = Estimator(other.stream.as_prior())
                break
        self._members[made.id] = made
        return made

    def members(self) -> Iterable[Member]:
        """All of them."""
        return self._members.values()

    def _forget(self) -> None:
        """Room for more: those with nothing on its way and nothing against them are known again soon."""
        for name, member in list(self._members.items()):
            if not member.in_flight and all(domain.state is State.HEALTHY for domain in member.domains):
                del self._members[name]
        self.generation += 1

    def sent(self, member: Member, need: Need, now_s: float, *, is_stream: bool) -> Ticket:
        """An attempt goes out."""
        estimator = member.stream if is_stream else member.whole
        predicted = estimator.predict(need.input_tokens)
        ticket = Ticket(member, need, predicted, now_s, is_stream=is_stream)
        patience_s = predicted.p95_s if estimator.samples >= SURE_SAMPLES else predicted.p99_s
        ticket.patience_s = patience_s if patience_s > OVERDUE_LEAST_S else OVERDUE_LEAST_S
        member.in_flight += 1
        member.used_s = member.host.used_s = now_s
        ticket.mark = member.quota.sent(need, now_s)
        health = member.health
        health.suspicion.sent(now_s)
        if len(self._due) >= self._due_max:
            self._compact()
        self._number += 1
        ticket.number = self._number
        heappush(self._due, (now_s + ticket.patience_s, self._number, ticket))
        if not health.state is member.host.state is member.account.state is State.HEALTHY:
            ticket.probing = tuple(each for each in member.domains if each.look(now_s) is State.HALF_OPEN)
            for domain in ticket.probing:
                domain.probes += 1
        return ticket

    def _compact(self) -> None:
        """Forgets those that have been answered: their time comes long after their end."""
        self._due = [each for each in self._due if not each[2].is_over and each[2].first_s is None]
        heapify(self._due)
        self._due_max = max(DUE_MIN, 2 * len(self._due))

    def landed(self, ticket: Ticket, now_s: float) -> bool:
        """The head of the answer has come. True: what it says of quotas is wanted, by `told`: now and then is enough,
        since in between every request is debited here."""
        member = ticket.member
        if ticket.number < member.newest:
            return False  # what it says of quotas is older than what we know
        member.newest = ticket.number
        if now_s < member.told_s + TOLD_INTERVAL_S:
            return False
        member.told_s = now_s
        return True

    def told(self, ticket: Ticket, fields: Iterable[tuple[str, str]], now_unix_s: float, now_s: float) -> None:
        """The header fields of an answer, names in lower case, whose names hold `LIMIT_MARK`; others do no harm."""
        readings = read_limits(fields, now_unix_s)
        if readings:
            ticket.member.quota.told(readings, ticket.mark, now_s)

    def first(self, ticket: Ticket, now_s: float) -> None:
        """The first token, or the whole answer, has come."""
        if ticket.first_s is not None:
            return
        ticket.first_s = now_s
        member, p95_s = ticket.member, ticket.predicted.p95_s
        taken_s = now_s - ticket.sent_s
        if self.blame.is_frozen(now_s):
            return
        member.estimator(is_stream=ticket.is_stream).observe(ticket.need.input_tokens, taken_s, now_s, p95_s)
        if taken_s <= ticket.patience_s:
            member.health.suspicion.in_time()
        elif not ticket.is_overdue:
            self._overdue(ticket, now_s)

    def ended(
        self, ticket: Ticket, outcome: Outcome, now_s: float, dice: float, problem: Problem | None = None
    ) -> None:
        """It has ended so. Told once; `dice` in [0, 1) is for the jitter of an eject time, `problem` what an upstream
        that failed said."""
        if ticket.is_over:
            return
        ticket.is_over = True
        member = ticket.member
        member.in_flight -= 1
        for domain in ticket.probing:
            domain.probes -= 1
        if outcome is Outcome.OK:
            self.first(ticket, now_s)
            member.quota.granted()
            member.limit.took(member.in_flight + 1)
        elif outcome in _REFUSED:
            member.limit.refused(member.in_flight + 1, now_s)
        if outcome in ANSWERED:
            is_prompt = ticket.first_s is None or ticket.first_s - ticket.sent_s <= ticket.predicted.p99_s
            for domain in (member.host, member.account, member.health):
                if domain.state is State.HEALTHY and not (domain.bad or domain.opened):
                    domain.clean += 1  # what never fails needs no more books than this
                elif domain.state is not State.HALF_OPEN or domain in ticket.probing:
                    seen_s = ticket.sent_s if domain is member.host else now_s  # a connection is made at the beginning
                    domain.succeeded(now_s, seen_s=seen_s, is_prompt=is_prompt)
                # else: it was sent before it was out of order, and proves nothing
            return
        if outcome is Outcome.RATE:
            member.quota.limited(None if problem is None else problem.retry_after_s, now_s)
            member.host.succeeded(now_s, seen_s=ticket.sent_s)
            return
        is_well = member.health.state in (State.HEALTHY, State.RAMPING)
        if ticket.first_s is None and outcome in _GIVEN_UP and is_well and not self.blame.is_frozen(now_s):
            waited_s = now_s - ticket.sent_s
            member.estimator(is_stream=ticket.is_stream).censor(
                ticket.need.input_tokens, waited_s, now_s, ticket.predicted.p95_s
            )
        if outcome is Outcome.ACCOUNT and problem is not None and problem.kind == "permission":
            member.health.quarantine(now_s)  # a model that this account may not use says nothing of its others
            return
        self._blame(member, outcome, now_s, dice)

    def heard(self, member: Member, heard: Heard, now_s: float, dice: float) -> None:
        """Something else was asked there, and that came of it."""
        member.host.used_s = now_s
        outcome, problem = heard.outcome, heard.problem
        if outcome in ANSWERED:
            for domain in member.domains if heard.is_models else (member.host, member.account):
                if domain.state is not State.HALF_OPEN or heard.sent_s >= domain.since_s:
                    domain.succeeded(now_s, seen_s=heard.sent_s)
            if heard.is_models:
                member.quota.granted()
        elif outcome is Outcome.RATE:
            if heard.is_models:
                member.quota.limited(None if problem is None else problem.retry_after_s, now_s)
            member.host.succeeded(now_s, seen_s=heard.sent_s)
        elif outcome is Outcome.ACCOUNT and problem is not None and problem.kind == "permission":
            if heard.is_models:
                member.health.quarantine(now_s)
        elif heard.is_models or (outcome in BLAME and BLAME[outcome].level != "deployment"):
            self._blame(member, outcome, now_s, dice)

    def used(self, ticket: Ticket, usage: Usage, now_s: float) -> None:
        """What an answer took: what is usual of its deployment follows it."""
        member = ticket.member
        cached = usage.cached_tokens / usage.input_tokens if usage.input_tokens else 0.0
        member.cached_share += _LEARN * (cached - member.cached_share)
        if usage.output_tokens:
            member.output_tokens += _LEARN * (usage.output_tokens - member.output_tokens)
        streamed_s = now_s - ticket.first_s if ticket.first_s is not None else 0.0
        if ticket.is_stream and streamed_s > 0.0 and usage.output_tokens > 1:
            rate_hz = usage.output_tokens / streamed_s
            member.tokens_per_s += _LEARN * (min(rate_hz, TOKENS_PER_S_MAX) - member.tokens_per_s)

    def may_panic(self, route: str, now_s: float, interval_s: float) -> bool:
        """Whether a call of that route may try what is out of order, for want of anything better: one in a while."""
        if now_s < self._panics_s.get(route, -inf):
            return False
        if len(self._panics_s) >= self._members_max:
            self._panics_s.clear()
        self._panics_s[route] = now_s + interval_s
        return True

    def has_due(self, now_s: float) -> bool:
        """Whether `sweep` has something to look at."""
        due = self._due
        return bool(due) and due[0][0] <= now_s

    def sweep(self, now_s: float) -> list[Ticket]:
        """Counts the requests that have become overdue. Returns those that something may be done about: each that has
        just become so, and all that are overdue at a deployment which is not well."""
        due, late = self._due, list[Ticket]()
        while due and due[0][0] <= now_s:
            ticket = heappop(due)[2]
            if ticket.is_over or ticket.first_s is not None or ticket.is_overdue:
                continue
            member = ticket.member
            member.overdue.append(ticket)
            self._overdue(ticket, now_s)
            if member.health.state is not State.HEALTHY and member.health.state is not State.RAMPING:
                late.extend(each for each in member.overdue if not each.is_over and each.first_s is None)
                member.overdue.clear()
                continue
            late.append(ticket)
            if len(member.overdue) > OVERDUE_MAX:
                member.overdue = [each for each in member.overdue if not each.is_over and each.first_s is None]
        return late

    def _overdue(self, ticket: Ticket, now_s: float) -> None:
        ticket.is_overdue = True
        member = ticket.member
        if self.blame.is_frozen(now_s):
            return
        health = member.health
        if health.suspicion.overdue(is_on_trial=health.state is State.RAMPING) and health.suspect(now_s):
            self._ejected(member, now_s)

    def ailing(self, now_s: float) -> list[Member]:
        """One member of each host or account that is out of order for a while yet: whoever asks there may learn that it
        is back."""
        found: dict[str, Member] = {}
        for member in self._members.values():
            for domain in (member.host, member.account):
                if domain.state is State.OPEN and domain.until_s - now_s > AILING_LEAST_S:
                    found.setdefault(domain.name, member)
        return list(found.values())

    def probed(self, member: Member, status: int, now_s: float) -> None:
        """Something that costs nothing was asked at a member's host with its account's key, and answered so."""
        if status < 500:
            member.host.probed(now_s)
        if 200 <= status < 300:
            member.account.probed(now_s)

    def move_s(self, member: Member, input_tokens: int, *, is_stream: bool) -> float:
        """How long a request is waited for while there is another deployment; without a limit until enough is known."""
        if is_stream and member.health.state is State.HALF_OPEN:
            return PROBE_S
        estimator = member.estimator(is_stream=is_stream)
        if estimator.samples < KNOWN_SAMPLES:
            return inf
        least_s, most_s = MOVE_S if is_stream else MOVE_WHOLE_S
        return min(max(MOVE_FACTOR * estimator.predict(input_tokens).p999_s, least_s), most_s)

    def _blame(self, member: Member, outcome: Outcome, now_s: float, dice: float) -> None:
        blame = BLAME.get(outcome)
        if blame is None or self.blame.is_frozen(now_s):
            return
        if blame.level == "account":
            member.account.quarantine(now_s)
            return
        domain = member.host if blame.level == "host" else member.health
        if outcome is Outcome.SLOW and domain.forgives():
            return
        row_max = CONNECTS_MAX if blame.level == "host" else FAILURES_MAX
        if domain.failed(blame.weight, now_s, dice, row_max=row_max) and outcome not in _TOLD:
            self._ejected(member, now_s)

    def _ejected(self, member: Member, now_s: float) -> None:
        """Somebody has just been given up: unless too many were at once."""
        hosts = sum(1 for domain in self._hosts.values() if now_s - domain.used_s <= HOST_IDLE_S)
        if self.blame.ejected(member.host.name, hosts, now_s):
            for domain in (*self._hosts.values(), *(each.health for each in self._members.values())):
                if domain.state in (State.SUSPECT, State.OPEN) and now_s - domain.since_s <= 2.0:
                    domain.absolve(now_s)

    def standing(self, member: Member, need: Need, now_s: float) -> Standing:
        """How a call of that size would meet it."""
        if member.is_plain:
            return Standing(member, State.HEALTHY, 1.0, 0.0, True, -inf, now_s - member.used_s)
        worst, weight, failed_s = State.HEALTHY, 1.0, -inf
        for domain in member.domains:
            state = domain.look(now_s)
            if state is State.HALF_OPEN and not domain.may_probe():
                state = State.OPEN
            if _RANK[state] > _RANK[worst]:
                worst = state
            weight *= domain.weight(now_s)
            failed_s = max(failed_s, domain.failed_s)
        room = member.limit.has_room(member.in_flight)
        wait_s, idle_s = member.quota.wait_s(need, now_s), now_s - member.used_s
        return Standing(member, worst, weight, wait_s, room, failed_s, idle_s)


def _host(deployment: Deployment) -> str:
    """Scheme and authority of its first door."""
    if not deployment.doors:
        return deployment.provider
    parts = urlsplit(deployment.doors[0].base_url)
    return f"{parts.scheme}://{parts.netloc}"
