"""What a town chooses for its releases: the goals it aims at, and ε by family."""

from collections.abc import Mapping, Sequence

from indexes.releases import DistrictSettings
from indexes.store import Store
from matching.planning.drawing import require_epsilons
from matching.planning.measures import EPSILONS, GOALS
from matching.planning.telling import require_goals

__all__ = ["change_settings", "settings_of"]


def settings_of(store: Store, tenant_id: str) -> DistrictSettings:
    """What a town's next release is made with: what it has chosen, and the defaults for the rest.

    Raises
    ------
    NotFoundError
        If there is no such tenant.
    """
    return _whole(store.district_settings(tenant_id))


def change_settings(
    store: Store,
    tenant_id: str,
    *,
    goals: Sequence[float] | None = None,
    epsilons: Mapping[str, float] | None = None,
    reset: bool = False,
) -> DistrictSettings:
    """Choose for a town's releases to come; those that are made stay as they are.

    Parameters
    ----------
    store : Store
    tenant_id : str
    goals : sequence of float, optional
        Shares of households, above 0 and up to 1, in place of those there were.
    epsilons : mapping of str to float, optional
        ε by family, of some families.
    reset : bool
        Forget first what was chosen before.

    Returns
    -------
    DistrictSettings
        As `settings_of`.

    Raises
    ------
    InputError
        If a goal or an ε is out of range, or a family is none; then nothing is changed.
    NotFoundError
        If there is no such tenant.
    """
    before = store.district_settings(tenant_id)
    if reset:
        before = DistrictSettings(tenant_id=tenant_id)
    chosen = DistrictSettings(
        tenant_id=tenant_id,
        goals=before.goals if goals is None else tuple(goals),
        epsilons={**before.epsilons, **(epsilons or {})},
    )
    whole = _whole(chosen)
    if goals is not None:
        require_goals(goals)
    require_epsilons(whole.epsilons)
    store.put_district_settings(chosen)
    return whole


def _whole(chosen: DistrictSettings) -> DistrictSettings:
    return DistrictSettings(
        tenant_id=chosen.tenant_id,
        goals=chosen.goals or GOALS,
        epsilons={**EPSILONS, **chosen.epsilons},
    )
