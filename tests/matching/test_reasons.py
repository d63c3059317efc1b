"""Why a match is there: codes, sentences, shares."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import InputError
from indexes.entities import Kind
from matching.reasons import LANGS, reasons, rounded_share
from matching.scoring import BANDS, Profiles

ONES = (1.0, 1.0, 1.0, 1.0, 1.0)
FIFTHS = (0.2, 0.2, 0.2, 0.2, 0.2)


def why(kind=Kind.MERCHANT, factors=ONES, weights=FIFTHS, *, lang="fr", **values):
    """{code: text} with plain spaces."""
    values.setdefault("distance_m", None if "band" in values else 100.0)
    found = reasons(kind, factors, weights, lang=lang, **values)
    return {reason.code: reason.text.replace("\u202f", " ") for reason in found}


@pytest.mark.parametrize(
    ("distance_m", "french", "english"),
    [
        (0, "à 0 m", "0 m away"),
        (4.9, "à 0 m", "0 m away"),
        (345, "à 350 m", "350 m away"),
        (994.9, "à 990 m", "990 m away"),
        (995, "à 1 km", "1 km away"),
        (1234.5, "à 1,2 km", "1.2 km away"),
        (1950, "à 2 km", "2 km away"),
        (9_940, "à 9,9 km", "9.9 km away"),
        (9_950, "à 10 km", "10 km away"),
        (12_499, "à 12 km", "12 km away"),
        (20_015_114, "à 20 015 km", "20,015 km away"),
    ],
)
def test_metres_are_said_as_people_say_them(distance_m, french, english):
    assert why(distance_m=distance_m)["distance-metres"] == french
    assert why(distance_m=distance_m, lang="en")["distance-metres"] == english


@pytest.mark.parametrize(
    ("band", "code", "french", "english"),
    [
        (
            "same_group",
            "distance-same-group",
            "dans votre voisinage immédiat",
            "in your immediate neighbourhood",
        ),
        ("<500m", "distance-band", "à moins de 500 m", "less than 500 m away"),
        ("<1km", "distance-band", "à moins de 1 km", "less than 1 km away"),
        ("<2km", "distance-band", "à moins de 2 km", "less than 2 km away"),
        ("<5km", "distance-band", "à moins de 5 km", "less than 5 km away"),
        ("farther", "distance-band", "à plus de 5 km", "more than 5 km away"),
    ],
)
def test_people_are_told_by_band(band, code, french, english):
    assert band in BANDS
    assert why(Kind.NEIGHBOUR, band=band)[code] == french
    assert why(Kind.NEIGHBOUR, band=band, lang="en")[code] == english


def test_a_unit_never_parts_from_its_number():
    (reason, *_) = reasons(Kind.PLACE, ONES, FIFTHS, lang="fr", distance_m=1234.5)
    assert reason.text == "à 1,2\u202fkm"


@pytest.mark.parametrize("endorsers", [1, 2])
def test_one_or_two_households_are_not_counted_aloud(endorsers):
    for lang in LANGS:
        text = why(Kind.ARTISAN, endorsers=endorsers, lang=lang)["trust-recommended"]
        assert not any(character.isdigit() for character in text)


def test_three_households_are_counted():
    assert why(Kind.ARTISAN, endorsers=3)["trust-recommended"] == "recommandé par 3 foyers"


def test_neighbours_of_ones_building_are_counted_from_three_households_on():
    two, three = (why(Kind.ARTISAN, level=4, endorsers=9, neighbours=n) for n in (2, 3))
    assert "trust-building" not in two
    assert three["trust-building"] == "recommandé par 3 foyers de votre immeuble"


def test_a_person_is_trusted_for_its_level_not_for_endorsements():
    codes = why(Kind.ARTISAN, personal=True, level=3, endorsers=9, band="<1km")
    assert codes["trust-rated"] == "apprécié par des voisins de confiance (niveau 3 sur 4)"
    assert "trust-recommended" not in codes
    assert "trust-contact" in why(Kind.SERVICE, personal=True, level=1, band="<1km")


@pytest.mark.parametrize(
    ("level", "endorsers", "code", "text"),
    [
        (1, 0, "trust-new", "pas encore recommandé"),
        (1, 2, "trust-recommended", "déjà recommandé"),
        (1, 3, "trust-recommended", "recommandé par 3 foyers"),
        (3, 0, "trust-recommended", "déjà recommandé, niveau de confiance 3 sur 4 pour vous"),
        (2, 2, "trust-recommended", "déjà recommandé, niveau de confiance 2 sur 4 pour vous"),
        (
            4,
            5,
            "trust-recommended",
            "recommandé par 5 foyers, niveau de confiance 4 sur 4 pour vous",
        ),
    ],
)
def test_what_recommends_a_public_thing_is_told_without_naming_anybody(
    level, endorsers, code, text
):
    assert why(Kind.ARTISAN, level=level, endorsers=endorsers)[code] == text


@pytest.mark.parametrize(
    ("kind", "values", "code", "text"),
    [
        (Kind.EVENT, {"starts_in_s": -60.0}, "event-now", "a lieu en ce moment"),
        (Kind.EVENT, {"starts_in_s": 0.0}, "event-now", "a lieu en ce moment"),
        (Kind.EVENT, {"starts_in_s": 20.0}, "event-soon", "commence dans 1 min"),
        (Kind.EVENT, {"starts_in_s": 3_599.0}, "event-soon", "commence dans 59 min"),
        (Kind.EVENT, {"starts_in_s": 172_799.0}, "event-soon", "commence dans 47 h"),
        (Kind.EVENT, {"starts_in_s": 172_800.0}, "event-soon", "commence dans 2 jours"),
        (Kind.OFFER, {"ends_in_s": 7_300.0}, "offer-valid", "offre encore valable 2 h"),
        (Kind.OFFER, {}, "offer-valid", "offre en cours"),
        (Kind.OFFER, {"age_s": 100.0}, "offer-valid", "offre en cours"),
        (Kind.SERVICE, {"age_s": 5 * 86_400.0}, "fresh-new", "publié il y a 5 jours"),
    ],
)
def test_freshness_is_told_in_the_words_of_the_kind(kind, values, code, text):
    assert why(kind, **values)[code] == text


@pytest.mark.parametrize(
    ("kind", "available", "code", "text"),
    [
        (Kind.MERCHANT, "open", "open-now", "ouvert en ce moment"),
        (Kind.OFFER, "in_stock", "in-stock", "encore disponible"),
        (Kind.MERCHANT, "unknown", "hours-unknown", "horaires inconnus"),
        (Kind.NEIGHBOUR, "unknown", "hours-unknown", "disponibilité à confirmer"),
        (Kind.MERCHANT, "closed", "closed", "fermé en ce moment"),
        (Kind.EVENT, "sold_out", "sold-out", "épuisé ou complet"),
    ],
)
def test_availability_is_told(kind, available, code, text):
    assert why(kind, available=available)[code] == text


@pytest.mark.parametrize("available", ["closed", "sold_out"])
def test_closed_and_sold_out_are_said_although_they_give_nothing(available):
    found = reasons(
        Kind.MERCHANT, (1, 1, 1, 0, 1), FIFTHS, lang="fr", distance_m=5.0, available=available
    )
    assert [r.share for r in found if r.code in ("closed", "sold-out")] == [0]


def test_what_was_asked_names_the_fit():
    for asked in ("text", "category", "any"):
        assert f"fit-{asked}" in why(asked=asked)


def test_a_factor_that_gave_nothing_is_not_a_reason():
    assert list(why(factors=(0, 0, 0, 0.5, 0))) == ["hours-unknown"]
    assert list(why(weights=(1, 0, 0, 0, 0))) == ["distance-metres"]


@given(
    st.sampled_from(sorted(Profiles.load().by_name)),
    st.sampled_from(list(Kind)),
    st.tuples(*[st.floats(0, 1)] * 5),
    st.sampled_from(LANGS),
    st.booleans(),
    st.sampled_from(["open", "unknown", "closed", "in_stock", "sold_out"]),
    st.one_of(st.none(), st.floats(-1e7, 1e7)),
)
def test_shares_add_up_to_the_score_in_the_order_of_the_factors(
    profile, kind, factors, lang, personal, available, seconds
):
    weights = Profiles.load().named(profile).weights
    found = reasons(
        kind,
        factors,
        weights,
        lang=lang,
        distance_m=None if personal else 12.0,
        band="<2km" if personal else None,
        personal=personal,
        level=2,
        endorsers=5,
        starts_in_s=seconds,
        ends_in_s=seconds,
        age_s=abs(seconds) if seconds is not None else None,
        available=available,
    )
    score = sum(weight * factor for weight, factor in zip(weights, factors, strict=True))
    assert sum(reason.share for reason in found) == pytest.approx(score, abs=5e-9)
    kept = [round(w * f, 9) for w, f in zip(weights, factors, strict=True)]
    shares = [reason.share for reason in found if reason.share]
    assert shares == [share for share in kept if share]
    assert all("{" not in reason.text and reason.text for reason in found)


@pytest.mark.parametrize("lang", ["de", "", "FR"])
def test_another_language_is_refused(lang):
    with pytest.raises(InputError, match="lang must be fr or en") as caught:
        reasons(Kind.AD, ONES, FIFTHS, lang=lang, distance_m=1.0)
    assert caught.value.code == "unknown-language"


HALVES = st.integers(0, 10**9 - 1).map(lambda units: (units + 0.5) / 1e9)


@given(st.floats(0.0, 1.0) | HALVES, st.integers(-2, 2))
def test_shares_are_rounded_as_python_rounds(share, steps):
    for _ in range(abs(steps)):
        share = math.nextafter(share, math.copysign(math.inf, steps))
    assert rounded_share(share) == round(share, 9)
