"""A pod's error log has a line about a TLS certificate that has expired."""

from insights import make_fail, rule

from ..parsers import PodLog


@rule(PodLog)
def report(logs):
    found = [it for it in logs if it.expired]
    if found:
        return make_fail(
            "CERTIFICATE_EXPIRED",
            logs=[
                {
                    "path": it.file_path.lstrip("/"),
                    "lines": len(it.expired),
                    "expired": it.expired[0],
                }
                for it in found
            ],
        )
