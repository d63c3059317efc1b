"""Who suits whom: use cases over the indexes. No database, no HTTP."""

from matching.engine import Engine
from matching.near import near
from matching.query import ANYONE, Match, NearAnswer, NearQuery, Reason, Viewer
from matching.scoring import Profile, Profiles

__all__ = [
    "ANYONE",
    "Engine",
    "Match",
    "NearAnswer",
    "NearQuery",
    "Profile",
    "Profiles",
    "Reason",
    "Viewer",
    "near",
]
