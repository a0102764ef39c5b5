"""Transfers in two steps: pending, then posted up to their amount, or void. Each is resolved at most once.

While one is pending it holds its amount of the account that it comes from; one that expires comes to nothing by itself.
"""

from sqlalchemy import Connection

from headgate.core.problems import InvalidRequest, NotFound
from headgate.store.queries import proposals, transfers
from headgate.store.queries.proposals import Proposal, Resolution
from headgate.store.queries.transfers import Transfer


def propose(connection: Connection, pending: Proposal) -> bool:
    """Keeps one. False: it was there already. Raises `InvalidRequest` if its id stands for something else."""
    known = proposals.find(connection, pending.id)
    if known is None:
        if transfers.find(connection, pending.id) is not None:
            raise InvalidRequest("This reference was posted already.", param="reference", code="transfer_posted")
        proposals.add(connection, pending)
        return True
    if (known[0].nano_usd, known[0].debit, known[0].credit) != (pending.nano_usd, pending.debit, pending.credit):
        raise InvalidRequest("This reference stands for another amount already.", param="reference")
    return False


def post(connection: Connection, id: str, nano_usd: int | None, at_us: int) -> Transfer:
    """Posts one, with so much of its amount (None: all of it). Again: the same transfer. Raises `NotFound`, and
    `InvalidRequest` if it is void or was posted with another amount."""
    pending, end = _found(connection, id)
    amount = pending.nano_usd if nano_usd is None else nano_usd
    if end is not None:
        return _posted(connection, end, amount)
    if not 0 < amount <= pending.nano_usd:
        raise InvalidRequest("Above 0, and no more than is pending, can be posted.", param="usd")
    if pending.expires_us is not None and pending.expires_us <= at_us:
        raise InvalidRequest("This transfer has expired.", code="transfer_expired")
    proposals.resolve(connection, Resolution(id=id, at_us=at_us, nano_usd=amount))
    transfer = Transfer(
        id=id,
        at_us=at_us,
        debit=pending.debit,
        credit=pending.credit,
        nano_usd=amount,
        kind=pending.kind,
        detail=pending.detail,
    )
    transfers.post(connection, [transfer])
    return transfer


def void(connection: Connection, id: str, at_us: int) -> bool:
    """Lets it come to nothing. False: it was void already. Raises `NotFound`, and `InvalidRequest` if it is posted."""
    _, end = _found(connection, id)
    if end is None:
        proposals.resolve(connection, Resolution(id=id, at_us=at_us, nano_usd=0))
        return True
    if end.nano_usd:
        raise InvalidRequest("This transfer was posted; pay it back instead.", code="transfer_posted")
    return False


def unsound(connection: Connection) -> list[tuple[str, int, int]]:
    """Those whose resolution and transfer do not say the same: the id, and what each says in nano-USD."""
    found: list[tuple[str, int, int]] = []
    for pending, end in proposals.resolved(connection):
        transfer = transfers.find(connection, pending.id)
        is_its = transfer is not None and (transfer.debit, transfer.credit) == (pending.debit, pending.credit)
        posted = transfer.nano_usd if transfer is not None and is_its else 0
        if posted != end.nano_usd or posted > pending.nano_usd:
            found.append((pending.id, end.nano_usd, posted))
    return found


def _found(connection: Connection, id: str) -> tuple[Proposal, Resolution | None]:
    found = proposals.find(connection, id)
    if found is None:
        raise NotFound("There is no such pending transfer.", code="transfer_not_found")
    return found


def _posted(connection: Connection, end: Resolution, amount: int) -> Transfer:
    transfer = transfers.find(connection, end.id)
    if not end.nano_usd or transfer is None:
        raise InvalidRequest("This transfer is void.", code="transfer_void")
    if transfer.nano_usd != amount:
        raise InvalidRequest("This transfer was posted with another amount.", param="usd", code="transfer_posted")
    return transfer
