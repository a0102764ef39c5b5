"""What each rule serves of labelled pairs: of the alike, hits; of the unlike, false hits."""

from typing import NamedTuple

from bench.cache.sets import Pair
from bench.cache.vectors import Vectors
from headgate.cache.semantic.judge import judge
from headgate.cache.semantic.verifier import verifier_of

# What gateways and libraries set where their user sets nothing, as a cosine (their documentation, 2026-10 and -11)
PEERS = {
    0.60: "GPTCache",
    0.80: "Bifrost, LiteLLM's documentation, langchain-redis",
    0.85: "",
    0.90: "RedisVL",
    0.95: "Portkey, Tyk, APISIX",
}


class Tally(NamedTuple):
    """Counts of pairs, and of those served."""

    alike: int
    hits: int
    unlike: int
    false_hits: int

    @property
    def wrong_share(self) -> float:
        return self.false_hits / max(1, self.hits + self.false_hits)


class Served(NamedTuple):
    """A rule's name, and of each pair whether it serves it."""

    rule: str
    pairs: list[bool]


def rules(labelled: list[Pair], vectors: Vectors) -> list[Served]:
    """Every rule over the same pairs and the same vectors."""
    verifier = verifier_of(vectors.name)
    cosines: list[float] = []
    ours: list[bool] = []
    guarded: list[bool] = []
    for one, other, _ in labelled:
        first, second = vectors.side(one), vectors.side(other)
        cosines.append(float(first.embedded.vector @ second.embedded.vector))
        judged = judge(first, second, verifier)
        ours.append(judged.kind == "same" or (judged.kind == "scored" and judged.evidence[0] >= verifier.logit_min))
        guarded.append(judged.kind == "same" or (judged.kind == "scored" and cosines[-1] >= 0.95))
    plain = [
        Served(f"cosine ≥ {least:.2f}" + (f" ({who})" if who else ""), [cosine >= least for cosine in cosines])
        for least, who in PEERS.items()
    ]
    return [*plain, Served("cosine ≥ 0.95, our guards", guarded), Served("**Headgate**", ours)]


def tally(labelled: list[Pair], served: list[bool]) -> Tally:
    alike = [is_served for (_, _, label), is_served in zip(labelled, served, strict=True) if label]
    unlike = [is_served for (_, _, label), is_served in zip(labelled, served, strict=True) if not label]
    return Tally(len(alike), sum(alike), len(unlike), sum(unlike))
