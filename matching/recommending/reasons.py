"""Why something is recommended, in French or English: counts, never names, paths or trust."""

from collections.abc import Iterable
from typing import NamedTuple

from matching.query import Reason
from matching.reasons import COUNT_FROM, LANGS
from matching.recommending.model import Terms

__all__ = ["Evidence", "why_of"]

# Sentence by code: (French, English), in the order of LANGS.
_SENTENCES = {
    "recommended-trusted": (
        "recommandé par {} foyers à qui vous faites confiance",
        "recommended by {} households that you trust",
    ),
    "recommended-near": (
        "{} foyers près de chez vous le recommandent ou y ont eu recours",
        "{} households near you recommend it or have used it",
    ),
    "recommended-by": ("recommandé par {} foyers", "recommended by {} households"),
    "recommended": ("déjà recommandé", "recommended before"),
    "taste": (
        "proche de ce que vous recommandez ou utilisez",
        "like what you recommend or use",
    ),
    "known": ("vous connaissez déjà", "you know it already"),
    "discovery": ("nouveau près de chez vous", "new near you"),
}


class Evidence(NamedTuple):
    """Households behind a term: how many that the viewer trusts, that live near, that endorse."""

    trusted: int
    near: int
    endorsers: int


def why_of(
    shares: Terms,
    evidence: Evidence,
    also: Iterable[Reason],
    *,
    lang: str,
    known: bool = False,
    discovery: bool = False,
) -> tuple[Reason, ...]:
    r"""Why a listing is recommended.

    Parameters
    ----------
    shares : Terms
        What each term gave to the score.
    evidence : Evidence
        A count is told from three households on. Below, its share goes to what is said of all
        who endorse it; where that isn't told either, to the one reason that says no more than
        that somebody has recommended it.
    also : iterable of Reason
        What near me says of it: how far it is, whether it is open.
    lang : str
        "fr" or "en".
    known, discovery : bool
        Whether the viewer knows it already; whether it is there for being new.

    Returns
    -------
    tuple of Reason
        Their shares sum to those given, each rounded to 1e-9.

    Examples
    --------
    >>> shares = Terms(distance=0.2, trusted=0.3, near=0.1, taste=0.0, popularity=0.01)
    >>> for endorsers in (9, 2):
    ...     for reason in why_of(shares, Evidence(4, 2, endorsers), (), lang="en"):
    ...         print(reason.code, "|", reason.text, "|", reason.share)
    recommended-trusted | recommended by 4 households that you trust | 0.3
    recommended-by | recommended by 9 households | 0.11
    recommended-trusted | recommended by 4 households that you trust | 0.3
    recommended | recommended before | 0.11
    """
    said, rest = [], 0.0
    for code, share, households in (
        ("recommended-trusted", shares.trusted, evidence.trusted),
        ("recommended-near", shares.near, evidence.near),
    ):
        if share > 0 and households >= COUNT_FROM:
            said.append(_reason(code, lang, share, str(households)))
        else:
            rest += share
    rest += shares.popularity
    if rest > 0:
        code = "recommended-by" if evidence.endorsers >= COUNT_FROM else "recommended"
        said.append(_reason(code, lang, rest, str(evidence.endorsers)))
    if shares.taste > 0:
        said.append(_reason("taste", lang, shares.taste))
    if known:
        said.append(_reason("known", lang, 0.0))
    if discovery:
        said.append(_reason("discovery", lang, 0.0))
    return (*said, *also)


def _reason(code: str, lang: str, share: float, value: str = "") -> Reason:
    return Reason(code, _SENTENCES[code][LANGS.index(lang)].format(value), round(share, 9))
