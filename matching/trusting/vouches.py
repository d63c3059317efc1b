"""Who may vouch for whom: two neighbours whose homes are proved make a member of level 2.

Whoever is only vouched for can't vouch, so that m fooled residents admit at most 3 m / 2
accounts a quarter, however many ask.
"""

from collections.abc import Iterable

from geo.errors import DeniedError
from matching.trusting.edges import ATTESTED_LEVEL

__all__ = ["VOUCHERS_NEEDED", "VOUCHES", "VOUCH_PERIOD_S", "require_voucher"]

VOUCHERS_NEEDED = 2
VOUCHES = 3
VOUCH_PERIOD_S = 90 * 86_400


def require_voucher(
    verification: int,
    standing: float,
    same_group: bool,
    vouched_at: Iterable[float],
    now_s: float,
) -> None:
    """Refuse whoever may not vouch for somebody now.

    Parameters
    ----------
    verification : int
        The voucher's level, 0 to 4.
    standing : float
        The voucher's, as `TrustColumns` has it: below 1, somebody they had vouched for was
        removed for fraud, or a safety report waits.
    same_group : bool
        Whether both live in one building or published group.
    vouched_at : iterable of float
        When the voucher vouched before, seconds since 1970-01-01T00:00:00Z.
    now_s : float
        Seconds since 1970-01-01T00:00:00Z.

    Raises
    ------
    DeniedError
        With one of these codes. ``voucher-not-proved``: below level 3. ``voucher-suspended``.
        ``voucher-elsewhere``. ``vouch-quota``: three in the last 90 days.

    Examples
    --------
    >>> require_voucher(3, 1.0, True, [0.0, 86_400.0], now_s=172_800.0)
    >>> require_voucher(2, 1.0, True, [], now_s=0.0)
    Traceback (most recent call last):
    ...
    geo.errors.DeniedError: a voucher must have level 3 or 4, this one has 2
    """
    if verification < ATTESTED_LEVEL:
        raise DeniedError(
            f"a voucher must have level 3 or 4, this one has {verification}",
            code="voucher-not-proved",
        )
    if standing < 1.0:
        raise DeniedError("whoever is under review can't vouch", code="voucher-suspended")
    if not same_group:
        raise DeniedError(
            "a voucher must live in the same building or group", code="voucher-elsewhere"
        )
    recent = sum(now_s - VOUCH_PERIOD_S < at <= now_s for at in vouched_at)
    if recent >= VOUCHES:
        raise DeniedError(
            f"a voucher may vouch {VOUCHES} times in 90 days, this one has {recent} times",
            code="vouch-quota",
        )
