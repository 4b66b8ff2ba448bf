"""Merge tag sets until AWS Marketplace takes them: the quantity is money, its split not. Pure."""

from collections import Counter
from collections.abc import Mapping

from lambdas.metering.quantities import ALLOCATIONS_MAX, TAG_KEYS_MAX, Allocations, Tags

ALLOCATION_BYTES_MAX = 900_000
"""What the split of one record may take: a call has 1 MB, key names included (the same page)."""

_ALLOCATION_BYTES = 70
"""``{"AllocatedUsageQuantityAsDecimal": "9999999999.999999", "Tags": []}, `` without tags."""

_TAG_BYTES = 26
"""``{"Key": "", "Value": ""}, `` without the texts."""


def merged(by_tags: Mapping[Tags, int], *, sets_max: int = ALLOCATIONS_MAX) -> Allocations:
    """Return the split of a record's quantity, the smallest parts merged into the untagged one.

    Parts go, smallest first, until the sets, their keys and their size are within the limits.
    A record whose every part is untagged needs no split at all.

    Args:
        by_tags: quantity in 10⁻⁶ by tag set; ``()`` is the untagged part.
        sets_max: how many parts there may be, the untagged one included.

    >>> merged({(): 5})
    ()
    >>> merged({(): 5, (("team", "a"),): 2})
    (((), 5), ((('team', 'a'),), 2))
    """
    tagged = sorted(
        ((tags, quantity) for tags, quantity in by_tags.items() if tags),
        key=lambda part: (-part[1], part[0]),
    )
    untagged = by_tags.get((), 0)
    keys = Counter(key for tags, _ in tagged for key, _ in tags)
    size = _ALLOCATION_BYTES + sum(_size_bytes(tags) for tags, _ in tagged)
    while tagged and (
        len(tagged) + bool(untagged) > sets_max
        or len(keys) > TAG_KEYS_MAX
        or size > ALLOCATION_BYTES_MAX
    ):
        tags, quantity = tagged.pop()
        untagged += quantity
        size -= _size_bytes(tags)
        for key, _ in tags:
            keys[key] -= 1
            if not keys[key]:
                del keys[key]
    if not tagged:
        return ()
    rest: Allocations = (((), untagged),) if untagged else ()
    return rest + tuple(tagged)


def _size_bytes(tags: Tags) -> int:
    return _ALLOCATION_BYTES + sum(_TAG_BYTES + len(key) + len(value) for key, value in tags)
