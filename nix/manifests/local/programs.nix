# The Deployment of one of the program's services: the base's, with its own arguments and variables, one
# pod, and the example as its working directory.
{
  name,
  namespace,
  image,
  secret,
  parts,
  # The example's files: key of the ConfigMap -> path.
  paths,
  labels,
  containerPorts,
  pod,
  deployment,
}:
part: given:
let
  inherit (builtins)
    attrNames
    concatMap
    foldl'
    head
    map
    removeAttrs
    replaceStrings
    ;
  container = head pod.containers;
  folder = "/etc/streamproc";
  secretsFolder = "/run/secrets/streamproc";
  when = condition: items: if condition then items else [ ];

  # A text with the addresses of a part's ports in the cluster.
  filled =
    needed: text:
    let
      inherit (parts.${needed}) listens;
      ports = attrNames listens;
    in
    replaceStrings (map (port: "{${port}}") ports) (map (
      port: "${needed}:${toString listens.${port}.port}"
    ) ports) text;
  gifts = map (needed: { inherit needed; } // (parts.${needed}.given or { })) given.needs;
  arguments = concatMap (gift: map (filled gift.needed) (gift.arguments or [ ])) gifts;
  variables = foldl' (all: some: all // some) { } (
    map (gift: builtins.mapAttrs (_: filled gift.needed) (gift.variables or { })) gifts
    ++ map (port: {
      ${given.listens.${port}.variable} = "0.0.0.0:${toString given.listens.${port}.port}";
    }) (attrNames given.listens)
    # Another address than loopback needs tokens.
    ++ when hasTokens [ { API_TOKENS_FILE = "${secretsFolder}/api-token"; } ]
  );
  secrets = foldl' (all: some: all // some) { } (map (gift: gift.secrets or { }) gifts);
  hasTokens = head given.arguments == "api";

  # The probes of the base on the port that answers them. The producer has none.
  probes = [
    "startupProbe"
    "livenessProbe"
    "readinessProbe"
  ];
  port = if given.listens ? metrics then "metrics" else "http";
  listening =
    if given.listens == { } then
      { }
    else
      builtins.listToAttrs (
        map (probe: {
          name = probe;
          value = container.${probe} // {
            httpGet = container.${probe}.httpGet // {
              inherit port;
            };
          };
        }) probes
      )
      // {
        ports = containerPorts part;
      };
in
deployment
// {
  metadata = {
    name = part;
    labels = labels part;
  };
  spec = removeAttrs deployment.spec [ "minReadySeconds" ] // {
    replicas = 1;
    selector.matchLabels = labels part;
    template = {
      metadata.labels = labels part;
      # One node has one zone.
      spec = removeAttrs pod [ "topologySpreadConstraints" ] // {
        containers = [
          (
            removeAttrs container (probes ++ [ "ports" ])
            // listening
            // {
              inherit name image;
              # The image is loaded into the nodes; no registry has it.
              imagePullPolicy = "IfNotPresent";
              args = given.arguments ++ arguments;
              workingDir = folder;
              env =
                map (variable: {
                  name = variable;
                  value = variables.${variable};
                }) (attrNames variables)
                ++ map (variable: {
                  name = variable;
                  valueFrom.secretKeyRef = {
                    name = secret;
                    key = secrets.${variable};
                  };
                }) (attrNames secrets);
              resources = {
                requests = {
                  cpu = "50m";
                  memory = "64Mi";
                };
                limits.memory = "256Mi";
              };
              volumeMounts = [
                {
                  name = "example";
                  mountPath = folder;
                  readOnly = true;
                }
              ]
              ++ when hasTokens [
                {
                  name = "tokens";
                  mountPath = secretsFolder;
                  readOnly = true;
                }
              ];
            }
          )
        ];
        volumes = [
          {
            name = "example";
            configMap = {
              name = namespace;
              items = map (key: {
                inherit key;
                path = paths.${key};
              }) (attrNames paths);
            };
          }
        ]
        ++ when hasTokens [
          {
            name = "tokens";
            secret = {
              secretName = secret;
              items = [
                {
                  key = "api-token";
                  path = "api-token";
                }
              ];
            };
          }
        ];
      };
    };
  };
}
