"""Who may vouch for another, and how often."""

import pytest
from trust_worlds import DAY, NOW

from geo.errors import DeniedError
from matching.trusting.vouches import require_voucher


def test_a_fourth_vouch_waits_until_the_first_is_ninety_days_old():
    vouched = [NOW, NOW + DAY, NOW + 2 * DAY]
    with pytest.raises(DeniedError) as refusal:
        require_voucher(3, 1.0, True, vouched, NOW + 90 * DAY - 1)
    assert refusal.value.code == "vouch-quota"
    require_voucher(3, 1.0, True, vouched, NOW + 90 * DAY)


@pytest.mark.parametrize(
    ("voucher", "code"),
    [
        ((2, 1.0, True), "voucher-not-proved"),
        ((3, 0.5, True), "voucher-suspended"),
        ((4, 1.0, False), "voucher-elsewhere"),
    ],
)
def test_who_may_not_vouch_is_told_why(voucher, code):
    with pytest.raises(DeniedError) as refusal:
        require_voucher(*voucher, [], NOW)
    assert refusal.value.code == code
