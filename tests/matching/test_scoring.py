"""Ranking profiles: the defaults, the curves, and files that break a rule."""

from math import exp, inf, log, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import InputError
from indexes.columns import class_code
from indexes.entities import Kind
from indexes.points import Plan, Rule
from indexes.scores import banded_m, decay_factor
from matching.scoring import BANDS, SHAPES, Decay, Profiles

# name: distance, trust, fresh, available, fit; written down again so that a slip shows
DEFAULTS = {
    "neighbour": (0.55, 0.35, 0, 0.10, 0),
    "service": (0.45, 0.25, 0.15, 0.10, 0.05),
    "artisan": (0.30, 0.45, 0, 0.15, 0.10),
    "merchant": (0.55, 0.15, 0, 0.20, 0.10),
    "offer": (0.50, 0.10, 0.10, 0.25, 0.05),
    "event": (0.35, 0.10, 0.30, 0.20, 0.05),
    "ad": (0.45, 0.20, 0.25, 0.05, 0.05),
    "place": (0.85, 0, 0, 0.10, 0.05),
    "nearest": (1, 0, 0, 0, 0),
}

DECAYS = st.builds(
    Decay,
    st.sampled_from(SHAPES),
    offset_m=st.floats(0, 1e4),
    scale_m=st.floats(1, 1e5),
    decay=st.floats(0.01, 0.99),
)

GOOD = """
[walk]
version = "2"
weights = { distance = 0.5, trust = 0.5, fresh = 0, available = 0, fit = 0 }
decay = { shape = "exp", offset_m = 0, scale_m = 300, decay = 0.5 }
"""


def factors(decay: Decay, distances_m: list[float], personal: bool = False) -> list[float]:
    """The distance factor as a search computes it: people by the upper edge of their band."""
    rule = Rule((1, 0, 0, 0, 0), decay.shape, decay.offset_m, decay.scale_m, decay.decay)
    code = class_code(Kind.ARTISAN, personal)
    rows = Plan({code: rule}).rows
    scored_m = [banded_m(d) if personal else d for d in distances_m]
    return [decay_factor(rows, code, d) for d in scored_m]


def test_default_weights_are_those_of_the_design():
    profiles = Profiles.load()
    assert {name: tuple(p.weights) for name, p in profiles.by_name.items()} == DEFAULTS


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_is_ranked_by_the_profile_of_its_name(kind):
    profile = Profiles.load().of(kind)
    assert profile.name == kind.value
    assert profile.decay == Decay("gauss", 200, 600, 0.5)


def test_the_defaults_are_one_object_by_which_all_towns_keep_what_they_share():
    assert Profiles.load() is Profiles.load()


def test_nearest_falls_in_a_straight_line_to_half_the_circumference():
    half_m = pi * 6_371_008.8
    decay = Profiles.load().named("nearest").decay
    found = factors(decay, [0.0, half_m / 4, half_m / 2, half_m])
    assert found == pytest.approx([1, 0.75, 0.5, 0], abs=1e-15)


@given(DECAYS)
def test_a_decay_is_one_up_to_its_offset_and_decay_at_its_scale(decay):
    ends_m = [0.0, decay.offset_m, decay.offset_m + decay.scale_m]
    assert factors(decay, ends_m) == pytest.approx([1, 1, decay.decay], abs=1e-9)


@given(DECAYS, st.lists(st.floats(0, 2.1e7), min_size=2))
def test_a_decay_never_rises_and_stays_between_zero_and_one(decay, distances_m):
    found = factors(decay, sorted([*distances_m, inf]))
    assert found == sorted(found, reverse=True)
    assert found[0] <= 1
    assert found[-1] == 0


@given(DECAYS, st.floats(0, 2.1e7))
def test_a_decay_follows_its_published_formula(decay, distance_m):
    # The published forms go through the variance or the rate of the curve; ours doesn't.
    d = max(0.0, distance_m - decay.offset_m)
    expected = {
        "gauss": lambda: exp(-(d**2) / (2 * (-(decay.scale_m**2) / (2 * log(decay.decay))))),
        "exp": lambda: exp(log(decay.decay) / decay.scale_m * d),
        "linear": lambda: max(0.0, (1 - d / (decay.scale_m / (1 - decay.decay)))),
    }[decay.shape]()
    assert factors(decay, [distance_m]) == pytest.approx([expected], abs=1e-12)


def test_bands_count_by_their_upper_edge_and_the_last_for_nothing():
    decay = Decay("linear", offset_m=0, scale_m=10_000, decay=0)
    inside_m = [0.0, 0.001, 500.0, 1_999.0, 2_000.0, 5_000.0]  # one in each band
    assert len(inside_m) == len(BANDS)
    found = factors(decay, inside_m, personal=True)
    assert found == pytest.approx([1, 0.95, 0.9, 0.8, 0.5, 0])


def test_a_file_adds_and_replaces_profiles_and_keeps_the_other_defaults(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(GOOD + GOOD.replace("[walk]", "[offer]"))
    ours = Profiles.load(path)
    assert ours.named("walk").version == "2"
    assert ours.of(Kind.OFFER).decay == Decay("exp", 0, 300, 0.5)
    assert ours.of(Kind.EVENT) == Profiles.load().of(Kind.EVENT)


def test_the_digest_changes_with_the_content_and_only_with_it(tmp_path):
    path = tmp_path / "ours.toml"
    digests = []
    for text in (
        GOOD,
        "# a comment" + GOOD,
        GOOD.replace("300", "301"),
        GOOD.replace('"2"', '"3"'),
    ):
        path.write_text(text)
        digests.append(Profiles.load(path).digest)
    assert digests[0] == digests[1]
    assert len({*digests, Profiles.load().digest}) == 4


def test_an_unknown_profile_is_refused_with_the_known_names():
    with pytest.raises(InputError, match=r"no profile 'x'.*nearest") as caught:
        Profiles.load().named("x")
    assert caught.value.code == "unknown-profile"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "distance = 0.5",
            "distance = 0.6",
            r"ours.toml, \[walk\], weights: must sum to 1, got 1.1",
        ),
        ("distance = 0.5, trust = 0.5", "distance = 1.5, trust = -0.5", "none may be below 0"),
        ("distance = 0.5", "distance = true", "weights, distance: must be a number"),
        ("distance = 0.5", "distance = nan", "weights, distance: must be a number"),
        ("distance = 0.5", 'distance = "0.5"', "weights, distance: must be a number"),
        ("fresh = 0", "novelty = 0", r"\[walk\], weights: must have the keys .*novelty"),
        ("fresh = 0, ", "", r"\[walk\], weights: must have the keys"),
        ('"exp"', '"cubic"', r"\[walk\], decay: shape must be one of gauss, exp, linear"),
        ('"exp"', "7", r"\[walk\], decay: shape must be one of"),
        ("decay = 0.5 }", "decay = 1 }", "decay must be above 0"),
        ("decay = 0.5 }", "decay = 0 }", "decay must be above 0"),
        ("scale_m = 300", "scale_m = 0", "scale_m must be more than zero"),
        ("scale_m = 300", "scale_m = inf", "decay, scale_m: must be a number"),
        ("offset_m = 0", "offset_m = -1", "offset_m must be zero metres or more"),
        ("offset_m = 0, ", "", r"\[walk\], decay: must have the keys"),
        ('version = "2"', "version = 2", r"\[walk\], version: must be text"),
        ('version = "2"', "", r"\[walk\]: must have the keys version"),
        ("[walk]", "walk = 3\n[other]", r"\[walk\]: must have the keys .* got 3"),
        ("[walk]", "[walk", "ours.toml: not a TOML file"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_by_file_profile_and_key(tmp_path, old, new, says):
    assert old in GOOD
    path = tmp_path / "ours.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=says):
        Profiles.load(path)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: can't be read"):
        Profiles.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes\.toml: not a TOML file"):
        Profiles.load(tmp_path / "bytes.toml")
