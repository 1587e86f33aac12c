"""Nobody can log in or reach routes."""

from insights import make_fail, rule

from ..parsers import EntranceOperator


@rule(EntranceOperator)
def report(operators):
    unavailable = [it for it in operators if it.has("Available", "False")]
    if unavailable:
        return make_fail(
            "AUTH_OR_INGRESS_UNAVAILABLE",
            operators=[
                {"name": it.name, "reason": it.of_type("Available")[0].get("reason", "")}
                for it in unavailable
            ],
        )
