# kustomize/overlays/local: the example StreamProc, all of it, in a cluster on one's own machine (kind, k3d).
# nix/local/services.json names its parts and their ports; delivery/local reads it as well:
#
#   arguments   of the program
#   off         how the cluster's service makes room for one on this machine: `disable` (DISABLE=true), or
#               `scale` (no pod)
#   needs       the parts that it connects to
#   listens     port name -> `port` in the cluster, `here` on this machine, `variable` that sets the address.
#               `fixed`: others expect just this port here; `forwarded`: forwarding goes to another port
#   given       what a service gets that needs this part. {name} stands for the address of a port;
#               `secrets` are variables from keys of the Secret
{
  name,
  yaml,
  base,
  servicesFile,
  # The folder of the example.
  example,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    foldl'
    fromJSON
    map
    mapAttrs
    readFile
    replaceStrings
    ;
  system = fromJSON (readFile servicesFile);
  parts = system.services // system.peers;
  at = "overlays/local";
  # The example's files: key of the ConfigMap -> path, as it is in the example's folder and in the pods'.
  paths = {
    ".env" = ".env";
    "environments.toml" = "config/environments.toml";
    "series.toml" = "series.toml";
    "amounts_v1.yaml" = "contracts/streamproc/amounts_v1.yaml";
  };
  when = condition: items: if condition then items else [ ];
  labels = part: {
    "app.kubernetes.io/name" = part;
    "app.kubernetes.io/part-of" = system.namespace;
  };
  # The ports of a part: { name, port }.
  portsOf =
    part:
    let
      inherit (parts.${part}) listens;
    in
    concatMap (
      name:
      let
        wanted = listens.${name};
      in
      [
        {
          inherit name;
          inherit (wanted) port;
        }
      ]
      ++ when (wanted ? forwarded) [
        {
          name = "forwarded";
          port = wanted.forwarded;
        }
      ]
    ) (attrNames listens);
  containerPorts =
    part:
    map (listener: {
      inherit (listener) name;
      containerPort = listener.port;
    }) (portsOf part);
  service = part: {
    apiVersion = "v1";
    kind = "Service";
    metadata = {
      name = part;
      labels = labels part;
    };
    spec = {
      selector = labels part;
      ports = map (listener: {
        inherit (listener) name port;
        targetPort = listener.name;
      }) (portsOf part);
    };
  };

  # What the base says of its pods holds for every pod here.
  deployment = base."base/deployment.yaml";
  pod = deployment.spec.template.spec;
  common = {
    inherit
      parts
      labels
      containerPorts
      pod
      ;
    inherit (system) secret;
  };
  programs = import ./programs.nix (
    common
    // {
      inherit
        name
        paths
        deployment
        ;
      inherit (system) namespace image;
    }
  );
  peers = import ./peers.nix common;

  header = "# Written by `nix run .#render` from nix/manifests/local and nix/local: edit those.\n";
  written = value: header + yaml value;
  file = part: workload: {
    "${at}/${part}.yaml" =
      header
      + builtins.concatStringsSep "---\n" (
        map yaml ([ workload ] ++ when (parts.${part}.listens != { }) [ (service part) ])
      );
  };
  files = foldl' (all: some: all // some) { } (
    map (part: file part (programs part system.services.${part})) (attrNames system.services)
    ++ map (part: file part peers.${part}) (attrNames system.peers)
  );

  # The instances have other addresses in the cluster.
  seriesOf =
    text:
    foldl' (
      text: part:
      let
        port = parts.${part}.listens.metrics;
        here = "http://127.0.0.1:${toString port.here}";
        there = "http://${part}:${toString port.port}";
        replaced = replaceStrings [ here ] [ there ] text;
      in
      if replaced == text then
        throw "${toString example}/series.toml names no instance ${here}"
      else
        replaced
    ) text (builtins.filter (part: parts.${part}.listens ? metrics) system.services.dashboard.needs);
  configuration = mapAttrs (_: path: readFile (example + "/${path}")) paths // {
    "series.toml" = seriesOf (readFile (example + "/series.toml"));
  };
in
files
// builtins.listToAttrs (
  map (file: {
    name = "${at}/configuration/${file}";
    value = configuration.${file};
  }) (attrNames configuration)
)
// {
  "${at}/kustomization.yaml" = written {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    inherit (system) namespace;
    resources = [
      "namespace.yaml"
      "serviceaccount.yaml"
    ]
    ++ map (part: "${part}.yaml") (attrNames parts);
    configMapGenerator = [
      {
        name = system.namespace;
        files = map (file: "configuration/${file}") (attrNames configuration);
      }
    ];
  };
  "${at}/namespace.yaml" = written (
    base."base/shared/namespace.yaml"
    // {
      metadata = {
        name = system.namespace;
        inherit (base."base/shared/namespace.yaml".metadata) labels;
      };
    }
  );
  "${at}/serviceaccount.yaml" = written base."base/shared/serviceaccount.yaml";
}
