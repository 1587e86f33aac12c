"""What the templates have to be. Each function yields a sentence for every place where they are not;
test_templates.py runs them on the templates, and on templates that were broken on purpose."""

from .complaint import complained
from .data import bucket, encryption, kept, logs, registry
from .ecs import health, load_balancer, secrets, service, task
from .eks import addons, control_plane, nodes
from .form import no_exports, tagged
from .identities import SERVICE_ACCOUNTS, identity_provider, least_privilege, no_other_principals, no_wildcard_actions, scoped_resources, trust
from .network import closed_doors, nat_gateways, nothing_is_public, two_zones

CHECKS = [
    two_zones, nothing_is_public, nat_gateways, closed_doors,
    no_wildcard_actions, scoped_resources, least_privilege, trust, no_other_principals, identity_provider,
    encryption, logs, kept, bucket, registry,
    control_plane, nodes, addons,
    service, task, secrets, health, load_balancer,
    no_exports, tagged,
]  # fmt: skip

__all__ = ["CHECKS", "SERVICE_ACCOUNTS", "complained"]
