"""The words and numbers of districts for people, in French and English."""

from collections.abc import Mapping, Sequence
from typing import Literal

from indexes.releases import ReleaseHead
from matching.planning.measures import TITLES

__all__ = [
    "Lang",
    "bound_texts",
    "category_text",
    "number_text",
    "quarter_text",
    "sources_of",
    "title_of",
    "unit_of",
    "words",
]

Lang = Literal["fr", "en"]

NARROW = "\u202f"  # what French sets between thousands, and before a percent sign

WORDS: Mapping[str, tuple[str, str]] = {  # French, English
    "ok": ("publié", "published"),
    "merged": ("regroupé : dans sa zone parente", "merged: into its parent"),
    "hidden": ("masqué : trop peu de foyers", "hidden: too few households"),
    "zero": ("zéro : aucun logement", "zero: no dwelling"),
    "unknown": ("chiffre inconnu", "no figure"),
    "classes": ("Quantiles (nombre de zones)", "Quantiles (number of zones)"),
    "iris": ("IRIS", "IRIS"),
    "quartier": ("grand quartier", "quartier"),
    "arrondissement": ("arrondissement", "arrondissement"),
    "commune": ("commune", "commune"),
    "cell": ("cellule H3", "H3 cell"),
    "iriss": ("IRIS", "IRIS"),
    "quartiers": ("grands quartiers", "quartiers"),
    "arrondissements": ("arrondissements", "arrondissements"),
    "communes": ("communes", "communes"),
    "cells": ("cellules H3", "H3 cells"),
    "from-to": ("{low} à {high}", "{low} to {high}"),
    "goal": ("Écart à l'objectif de {} %, en points", "Distance to the goal of {} %, in points"),
    "walked": (
        "marche estimée : 1,3 × le vol d'oiseau",
        "walking estimated: 1.3 × as the crow flies",
    ),
    "noise": (
        "Chiffres bruités (confidentialité différentielle) : ε = {epsilon:g} par foyer et "
        "trimestre ; rien en dessous de {threshold} foyers.",
        "Figures carry noise (differential privacy): ε = {epsilon:g} per household and quarter; "
        "nothing below {threshold} households.",
    ),
    "drawn-from": (
        "Sources : Mitoyen, {release} ; recensement de la population {census}, Insee ; "
        "contours IRIS {vintage}, IGN-Insee.",
        "Sources: Mitoyen, {release}; population census of {census}, Insee; "
        "IRIS outlines of {vintage}, IGN-Insee.",
    ),
}

# What the first words of categories are called; one that isn't here is called as it is written.
CATEGORIES: Mapping[str, tuple[str, str]] = {
    "artisan": ("artisans", "artisans"),
    "autre": ("autres", "others"),
    "bonplan": ("bons plans", "bargains"),
    "bricolage": ("bricolage", "odd jobs"),
    "commerce": ("commerces", "shops"),
    "cours": ("cours", "lessons"),
    "courses": ("courses", "errands"),
    "couture": ("couture", "sewing"),
    "covoiturage": ("covoiturage", "carpooling"),
    "demarches": ("démarches", "paperwork"),
    "don": ("dons", "gifts"),
    "garde": ("garde d'enfants", "baby-sitting"),
    "informatique": ("informatique", "computers"),
    "lieu": ("lieux", "places"),
    "pret": ("prêts", "loans of things"),
    "restaurant": ("restaurants", "restaurants"),
    "sortie": ("sorties", "outings"),
    "troc": ("troc", "barter"),
    "velo": ("vélo", "cycling"),
    "vente": ("ventes", "sales"),
    "voisin": ("voisins", "neighbours"),
}


def category_text(category: str, lang: Lang) -> str:
    """What a category is called.

    Examples
    --------
    >>> category_text("demarches", "fr"), category_text("demarches", "en")
    ('démarches', 'paperwork')
    """
    told = CATEGORIES.get(category)
    return category if told is None else told[0 if lang == "fr" else 1]


def quarter_text(release: str, lang: Lang) -> str:
    """What a quarter is called.

    Examples
    --------
    >>> quarter_text("2026Q3", "fr"), quarter_text("2026Q1", "fr"), quarter_text("2026Q3", "en")
    ('3e trimestre 2026', '1er trimestre 2026', 'third quarter of 2026')
    """
    year, number = release.split("Q")
    if lang == "fr":
        return f"{number}{'er' if number == '1' else 'e'} trimestre {year}"
    return f"{('first', 'second', 'third', 'fourth')[int(number) - 1]} quarter of {year}"


def words(key: str, lang: Lang) -> str:
    """What a status, a level (several: with an s), or a label is called."""
    return WORDS[key][0 if lang == "fr" else 1]


def title_of(measure: str, category: str, lang: Lang) -> str:
    """What a measure is called, and of which category.

    Examples
    --------
    >>> title_of("listings", "cours", "en")
    'Households that offer: lessons'
    """
    title = TITLES[measure][1 if lang == "fr" else 2]
    if not category:
        return title
    if measure == "goal_gap":
        return words("goal", lang).format(category)
    return f"{title}{NARROW if lang == 'fr' else ''}: {category_text(category, lang)}"


def unit_of(measure: str) -> str:
    """The unit of a measure's values."""
    return TITLES[measure][0]


def sources_of(head: ReleaseHead, lang: Lang) -> str:
    """Where a release's figures are from, and what protects them."""
    census = head.head["sources"]["census"].removeprefix("insee-rp")
    drawn = words("drawn-from", lang).format(
        release=quarter_text(head.id, lang), census=census, vintage=head.vintage
    )
    noise = words("noise", lang).format(
        epsilon=head.head["epsilon"]["total"], threshold=head.head["thresholds"]["households"]
    )
    return f"{drawn} {noise}"


def number_text(value: float | None, unit: str, lang: Lang) -> str:
    """A figure as people read it, in three digits or so.

    Parameters
    ----------
    value : float, optional
        A dash where there is none.
    unit : str
        As `matching.planning.measures.TITLES` names it.
    lang : {"fr", "en"}
        Whose separators.

    Examples
    --------
    >>> [number_text(value, "percent", "en") for value in (4.912, 5.9, 12.0, None)]
    ['4.91 %', '5.90 %', '12 %', '–']
    >>> number_text(1234.0, "count", "en"), number_text(-0.66, "points", "fr")
    ('1,234', '−0,66')
    """
    if value is None:
        return "–"
    if abs(value) >= 1_000 or value == round(value):
        text = f"{value:,.0f}"
    elif unit in ("percent", "points") and abs(value) < 10:
        text = f"{value:.2f}"  # what is beyond is noise
    else:
        text = f"{value:.3g}"
    return _set(text, value, unit, lang)


def bound_texts(bounds: Sequence[float], unit: str, lang: Lang) -> list[str]:
    """Bounds of classes as people read them, all with as many decimals.

    Examples
    --------
    >>> bound_texts([4.7, 6.0, 18.55], "percent", "en")
    ['4.70 %', '6.00 %', '18.55 %']
    """
    shown = (f"{bound:.12f}".rstrip("0").partition(".")[2] for bound in bounds)
    decimals = max(map(len, shown))
    return [_set(f"{bound:,.{decimals}f}", bound, unit, lang) for bound in bounds]


def _set(text: str, value: float, unit: str, lang: Lang) -> str:
    """A number with its sign and unit, as a language sets them."""
    if unit == "points" and value > 0:
        text = f"+{text}"
    if unit == "percent":
        text += " %"
    if lang == "fr":
        text = text.replace(" ", NARROW).translate({ord(","): NARROW, ord("."): ","})
    return text.replace("-", "−")
