"""Care of children and of the elderly: whoever offers it has proved where they live.

Other listings are shown whoever offers them, and say how far to trust that person. Of these a
member's own are shown to others only while the member's level of verification is 3 or 4, unless
the town or a registry attests them: near me leaves them out in its index, so that no page is
short, and writing one is refused.
"""

import unicodedata
from functools import lru_cache

from indexes.entities import Listing
from matching.trusting.edges import ATTESTED_LEVEL

__all__ = ["CARE_LEVEL", "is_care", "needs_level"]

CARE_LEVEL = ATTESTED_LEVEL

# Words that a category has among its own, in any order, without accents and plurals.
_CARE = (
    {"garde", "enfant"},
    {"babysitting"},
    {"baby", "sitting"},
    {"childcare"},
    {"personne", "agee"},
    {"elderly"},
)


def needs_level(listing: Listing) -> bool:
    """Whether a listing is shown to others only while its owner's level is `CARE_LEVEL`."""
    owned = listing.owner_id is not None and (listing.personal or listing.attested is None)
    return owned and is_care(listing.category)


@lru_cache(maxsize=10_000)
def is_care(category: str) -> bool:
    """Whether a category is one of care.

    Examples
    --------
    >>> [is_care(one) for one in ("garde.enfants.soir", "aide.personnes-âgées", "garde_d-enfant")]
    [True, True, True]
    >>> [is_care(one) for one in ("garde.animaux", "sortie.enfants", "cours.piano", "")]
    [False, False, False, False]
    """
    plain = unicodedata.normalize("NFD", category.lower())
    spaced = "".join(" " if mark in ".-_" else mark for mark in plain)
    letters = "".join(mark for mark in spaced if not unicodedata.combining(mark))
    words = {word.removesuffix("s") for word in letters.split()}
    return any(words >= care for care in _CARE)
