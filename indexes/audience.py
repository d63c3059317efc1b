"""Who may see what is published."""

from enum import StrEnum

__all__ = ["Audience"]


class Audience(StrEnum):
    """Who may see a listing or a trip: building ⊂ residence ⊂ zone ⊂ city ⊂ public."""

    BUILDING = "building"
    RESIDENCE = "residence"
    ZONE = "zone"
    CITY = "city"
    PUBLIC = "public"
