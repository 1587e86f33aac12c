# What a cluster adds to every pod, an instance's, its check's and a transfer's: the brokers' addresses,
# environment variables and credentials.
{ name }:
cluster:
let
  inherit (builtins)
    attrNames
    elemAt
    filter
    head
    map
    match
    ;
  inherit (cluster) spec;
  kind = head (attrNames spec.credentials);
  credentials = spec.credentials.${kind};

  # The mounted credentials file and its sources. Workload identity needs no file.
  mount = "/var/run/google";
  sourcesFrom = configMap: {
    workloadIdentity = [ ];
    # The file contains no secret: it names the pod's own token and the service that exchanges it.
    externalAccount = [
      { configMap.name = configMap; }
      {
        serviceAccountToken = {
          path = "token";
          audience = "https:${credentials.audience}";
          expirationSeconds = 3600;
        };
      }
    ];
    key = [ { secret.name = "google-credentials"; } ];
  };
  mounted = (sourcesFrom "google-credentials").${kind} != [ ];
  optional = condition: set: if condition then set else { };

  literal = variable: value: {
    name = variable;
    inherit value;
  };
  fromSecret =
    variable: place:
    let
      parts = match "([^/]*)/(.*)" place;
    in
    {
      name = variable;
      valueFrom.secretKeyRef = {
        name = head parts;
        key = elemAt parts 1;
      };
    };
  env = spec.env or { };
  secretEnv = spec.secretEnv or { };
in
rec {
  inherit mount;
  addresses = attrNames (builtins.groupBy (host: spec.hosts.${host}) (attrNames spec.hosts));

  # What a container needs to authenticate to Google.
  google = optional mounted {
    env = [ (literal "GOOGLE_APPLICATION_CREDENTIALS" "${mount}/credentials.json") ];
    volumeMounts = [
      {
        name = "google";
        mountPath = mount;
        readOnly = true;
      }
    ];
  };

  # A part of a pod's spec.
  podSpec = podSpecWith "google-credentials";

  # The same with another ConfigMap that has the credentials file.
  podSpecWith =
    configMap:
    {
      hostAliases = map (ip: {
        inherit ip;
        hostnames = filter (host: spec.hosts.${host} == ip) (attrNames spec.hosts);
      }) addresses;
      containers = [
        (
          google
          // {
            inherit name;
            env = [
              # Tells the program that it runs in a cluster: its `.env` may then set the domain's keys only.
              (literal "CLUSTER" cluster.name)
              (literal "WRITE_ENV" spec.writeEnv)
            ]
            ++ google.env or [ ]
            ++ map (variable: literal variable env.${variable}) (attrNames env)
            ++ map (variable: fromSecret variable secretEnv.${variable}) (attrNames secretEnv);
          }
        )
      ];
    }
    // optional mounted {
      volumes = [
        {
          name = "google";
          projected.sources = (sourcesFrom configMap).${kind};
        }
      ];
    };
}
