"""The records that announce an archive, in the form in which the platform sends them."""

import base64
import json
import uuid
from datetime import timedelta

from clusters import GATHERED

ACCOUNT, ORGANIZATION = 6212377, 12383032
# The events go through this many organizations in rotation.
ORGANIZATIONS = 7


def identity(account, organization, cluster):
    """Who uploaded the archive: JSON in base64."""
    document = {
        "identity": {
            "account_number": str(account),
            "auth_type": "basic-auth",
            "internal": {"auth_time": 1400, "org_id": str(organization)},
            "type": "User",
            "user": {
                "email": "qa@example.com",
                "first_name": "Insights",
                "is_active": True,
                "is_internal": False,
                "is_org_admin": True,
                "last_name": "QE",
                "locale": "en_US",
                "username": "insights-qe",
            },
            "system": {"cluster_id": cluster},
        }
    }
    return base64.b64encode(json.dumps(document).encode()).decode()


def request_id(name, number):
    """The id by which a report is found again: the same for the same archive and number."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}").hex


def event(entry, number, url):
    """The record for an archive, an entry of the manifest."""
    organization = ORGANIZATION + number % ORGANIZATIONS
    time = GATHERED + timedelta(seconds=number)
    return {
        "account": ACCOUNT,
        "principal": organization,
        "size": entry["bytes"],
        "url": url,
        "b64_identity": identity(ACCOUNT, organization, entry["cluster"]),
        # The platform writes nanoseconds.
        "timestamp": f"{time:%Y-%m-%dT%H:%M:%S}.{number % 1000:03}901889Z",
        "request_id": request_id(entry["name"], number),
        "service": "openshift",
        "category": "periodic",
        "metadata": {"reporter": "", "stale_timestamp": "0001-01-01T00:00:00Z"},
    }
