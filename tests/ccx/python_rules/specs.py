"""Which files of an archive the parsers read."""

from insights.core.context import ExecutionContext, fs_root
from insights.core.spec_factory import RegistryPoint, SpecSet, glob_file, simple_file


@fs_root
class InsightsOperatorContext(ExecutionContext):
    """Recognizes an archive of the insights-operator by its folder. Without it, insights-core takes the
    archive for one of a host and runs none of the rules."""

    marker = "config"


class Specs(SpecSet):
    cluster_id = RegistryPoint()
    cluster_operators = RegistryPoint(multi_output=True)
    entrance_operators = RegistryPoint(multi_output=True)
    cluster_version = RegistryPoint()
    nodes = RegistryPoint(multi_output=True)
    infrastructure = RegistryPoint()
    pods = RegistryPoint(multi_output=True)
    pod_logs = RegistryPoint(multi_output=True)
    install_plans = RegistryPoint()
    gathers = RegistryPoint()


def _file(path):
    return simple_file(path, context=InsightsOperatorContext)


def _files(*paths):
    # The default of 1,000 files would drop all pods of a large cluster.
    return glob_file(list(paths), context=InsightsOperatorContext, max_files=100_000)


class ArchiveSpecs(Specs):
    cluster_id = _file("config/id")
    cluster_operators = _files("config/clusteroperator/*.json")
    entrance_operators = _files(
        "config/clusteroperator/authentication.json", "config/clusteroperator/ingress.json"
    )
    cluster_version = _file("config/version.json")
    nodes = _files("config/node/*.json")
    infrastructure = _file("config/infrastructure.json")
    pods = _files("config/pod/*/*.json")
    pod_logs = _files("config/pod/*/logs/*/errors.log")
    install_plans = _file("config/install_plans.json")
    gathers = _file("insights-operator/gathers.json")
