"""The insights operator could not gather something."""

from insights import make_fail, rule

from ..parsers import Gathers


@rule(Gathers)
def report(gathers):
    if gathers.with_errors:
        return make_fail(
            "INSIGHTS_GATHERING_ERRORS",
            gatherers=[{"name": it["name"], "errors": it["errors"]} for it in gathers.with_errors],
        )
