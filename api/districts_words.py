"""The words and numbers of districts for people, in French and English."""

from collections.abc import Mapping
from typing import Literal

from indexes.releases import ReleaseHead
from matching.planning.measures import TITLES

__all__ = ["Lang", "number_text", "sources_of", "title_of", "unit_of", "words"]

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
    "noise": (
        "Chiffres bruités (confidentialité différentielle) : ε = {epsilon:g} par foyer et "
        "trimestre ; rien en dessous de {threshold} foyers.",
        "Figures carry noise (differential privacy): ε = {epsilon:g} per household and quarter; "
        "nothing below {threshold} households.",
    ),
    "drawn-from": (
        "Sources : Mitoyen {release} ; recensement de la population {census}, Insee ; "
        "contours IRIS {vintage}, IGN-Insee.",
        "Sources: Mitoyen {release}; population census of {census}, Insee; "
        "IRIS outlines of {vintage}, IGN-Insee.",
    ),
}


def words(key: str, lang: Lang) -> str:
    """What a status, a level (several: with an s), or a label is called."""
    return WORDS[key][0 if lang == "fr" else 1]


def title_of(measure: str, category: str, lang: Lang) -> str:
    """What a measure is called, and of which category.

    Examples
    --------
    >>> title_of("listings", "cours", "en")
    'Households that offer: cours'
    """
    title = TITLES[measure][1 if lang == "fr" else 2]
    if not category:
        return title
    if measure == "goal_gap":
        return words("goal", lang).format(category)
    return f"{title}{NARROW if lang == 'fr' else ''}: {category}"


def unit_of(measure: str) -> str:
    """The unit of a measure's values."""
    return TITLES[measure][0]


def sources_of(head: ReleaseHead, lang: Lang) -> str:
    """Where a release's figures are from, and what protects them."""
    census = head.head["sources"]["census"].removeprefix("insee-rp")
    drawn = words("drawn-from", lang).format(release=head.id, census=census, vintage=head.vintage)
    noise = words("noise", lang).format(
        epsilon=head.head["epsilon"]["total"], threshold=head.head["thresholds"]["households"]
    )
    return f"{drawn} {noise}"


def number_text(value: float | None, unit: str, lang: Lang) -> str:
    """A figure as people read it, in three digits at least.

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
    >>> [number_text(value, "percent", "en") for value in (4.912, 12.0, None)]
    ['4.91 %', '12 %', '–']
    >>> number_text(1234.0, "count", "en"), number_text(-0.66, "points", "fr")
    ('1,234', '−0,66')
    """
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1_000 or value == round(value) else f"{value:.3g}"
    if unit == "points" and value > 0:
        text = f"+{text}"
    if unit == "percent":
        text += " %"
    if lang == "fr":
        text = text.replace(" ", NARROW).translate({ord(","): NARROW, ord("."): ","})
    return text.replace("-", "−")
