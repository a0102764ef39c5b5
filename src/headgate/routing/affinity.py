"""Calls that belong together go to the same deployment, so that its prompt cache knows them. Remembers nothing.

Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights after Schindelhauer and Schomaker 2005): every key has
an order of its own over the deployments, in which few keys move when a deployment comes or goes. A deployment with more
than a quarter over its share on its way is passed over (bounded loads, Mirrokni, Thorup and Zadimoghaddam 2018).
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil, log
from typing import Final, Literal

from headgate.routing.strategies import Candidate

Sticky = Literal["session", "user", "key", "prompt"]
"""What makes calls belong together."""
LOAD_FACTOR: Final = 1.25
_WHOLE = float(1 << 64)


def stuck(ranked: Sequence[Candidate], key: str) -> list[Candidate]:
    """The same candidates with the one first that the key belongs to, if it is not too busy."""
    if len(ranked) < 2:
        return list(ranked)
    flying = sum(each.standing.member.in_flight for each in ranked)
    weights = sum(each.weight * each.standing.weight for each in ranked)
    for each in sorted(ranked, key=lambda each: score(key, each), reverse=True):
        share = each.weight * each.standing.weight / weights if weights else 0.0
        if each.standing.member.in_flight + 1 <= ceil(LOAD_FACTOR * (flying + 1) * share):
            return [each, *(other for other in ranked if other is not each)]
    return list(ranked)


def score(key: str, candidate: Candidate) -> float:
    """Of a key at a deployment: the highest wins, in proportion to the weights over many keys."""
    digest = blake2b(f"{key}\0{candidate.deployment.id}".encode(), digest_size=8).digest()
    return -candidate.weight / log((int.from_bytes(digest) + 0.5) / _WHOLE)
