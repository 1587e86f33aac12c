"""An operator's subscription has more than ten install plans of one name prefix and version."""

from insights import make_fail, rule

from ..parsers import InstallPlans


@rule(InstallPlans)
def report(plans):
    many = plans.above(10)
    if many:
        return make_fail(
            "INSTALL_PLANS_PILE_UP",
            plans=[
                {
                    "namespace": it["ns"],
                    "name": it["name"],
                    "csv": it["csv"],
                    "count": it["count"],
                }
                for it in many
            ],
        )
