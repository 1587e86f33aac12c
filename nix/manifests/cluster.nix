# A cluster's part of its overlay: `_cluster`, a component of every instance, and `shared`.
{
  name,
  namespace,
  yaml,
  signing,
}:
cluster:
let
  inherit (builtins)
    attrNames
    concatMap
    head
    length
    map
    match
    sort
    toJSON
    ;
  inherit (cluster) cloud spec release;
  kind = head (attrNames spec.credentials);
  credentials = spec.credentials.${kind};
  at = "overlays/${cluster.name}";
  patch = kind: value: {
    target = { inherit kind; };
    patch = yaml value;
  };
  when = condition: items: if condition then items else [ ];

  # The mounted credentials file and its sources. Workload identity needs no file.
  mount = "/var/run/google";
  file = "${mount}/credentials.json";
  sources = {
    workloadIdentity = [ ];
    # The file contains no secret: it names the pod's own token and the service that exchanges it.
    externalAccount = [
      { configMap.name = "google-credentials"; }
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
  mounted = sources.${kind} != [ ];

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
        key = builtins.elemAt parts 1;
      };
    };
  env = spec.env or { };
  secretEnv = spec.secretEnv or { };
  addresses = attrNames (builtins.groupBy (host: spec.hosts.${host}) (attrNames spec.hosts));

  deployment = {
    apiVersion = "apps/v1";
    kind = "Deployment";
    metadata = { inherit name; };
    spec.template.spec = {
      hostAliases = map (ip: {
        inherit ip;
        hostnames = builtins.filter (host: spec.hosts.${host} == ip) (attrNames spec.hosts);
      }) addresses;
      containers = [
        (
          {
            inherit name;
            inherit (spec) resources;
            env = [
              # Tells the program that it runs in a cluster: its `.env` may then set the domain's keys only.
              (literal "CLUSTER" cluster.name)
              (literal "WRITE_ENV" spec.writeEnv)
            ]
            ++ when mounted [ (literal "GOOGLE_APPLICATION_CREDENTIALS" file) ]
            ++ map (variable: literal variable env.${variable}) (attrNames env)
            ++ map (variable: fromSecret variable secretEnv.${variable}) (attrNames secretEnv);
          }
          // (
            if mounted then
              {
                volumeMounts = [
                  {
                    name = "google";
                    mountPath = mount;
                    readOnly = true;
                  }
                ];
              }
            else
              { }
          )
        )
      ];
    }
    // (
      if mounted then
        {
          volumes = [
            {
              name = "google";
              projected.sources = sources.${kind};
            }
          ];
        }
      else
        { }
    );
  };

  # The resolver's addresses that are no pod's: NodeLocal DNSCache, Cloud DNS.
  resolvers = map (ip: {
    op = "add";
    path = "/spec/egress/0/to/-";
    value.ipBlock.cidr = "${ip}/32";
  }) (spec.dnsAddresses or [ ]);

  brokers = {
    op = "add";
    path = "/spec/egress/-";
    value = {
      to = map (ip: { ipBlock.cidr = "${ip}/32"; }) addresses;
      ports = map (port: {
        inherit port;
        protocol = "TCP";
      }) cluster.brokerPorts;
    };
  };

  # PostgreSQL, InfluxDB and brokers that rows are written to, and what objects are fetched from:
  # "address:port" or "range:port" each.
  stores = map (
    store:
    let
      parts = builtins.match "([^/]*)(/.*)?:(.*)" store;
      length = builtins.elemAt parts 1;
    in
    {
      op = "add";
      path = "/spec/egress/-";
      value = {
        to = [ { ipBlock.cidr = builtins.elemAt parts 0 + (if length == null then "/32" else length); } ];
        ports = [
          {
            port = builtins.fromJSON (builtins.elemAt parts 2);
            protocol = "TCP";
          }
        ];
      };
    }
  ) (spec.stores or [ ]);

  autoscaling = [
    {
      op = "replace";
      path = "/spec/triggers/0/metadata/serverAddress";
      value = spec.prometheus;
    }
  ]
  ++ when (cloud == "gke") [
    {
      op = "add";
      path = "/spec/triggers/0/authenticationRef";
      value.name = "prometheus";
    }
  ]
  # KEDA keeps every instance's number of pods as it is.
  ++ when (spec.pauseAutoscaling or false) [
    {
      op = "add";
      path = "/metadata/annotations";
      value."autoscaling.keda.sh/paused" = "true";
    }
  ];

  # The cloud's own identity of the pods: on GKE the Google account, on EKS a role in AWS.
  annotations =
    (if kind == "workloadIdentity" then { "iam.gke.io/gcp-service-account" = credentials; } else { })
    // (if spec ? awsRole then { "eks.amazonaws.com/role-arn" = spec.awsRole; } else { });
  serviceAccount = {
    apiVersion = "v1";
    kind = "ServiceAccount";
    metadata = { inherit name annotations; };
  };

  externalSecrets =
    (spec.externalSecrets or { })
    // (if kind == "key" then { google-credentials = credentials; } else { });
  externalSecret = secret: {
    apiVersion = "external-secrets.io/v1";
    kind = "ExternalSecret";
    metadata.name = secret;
    spec = {
      refreshInterval = "1h";
      secretStoreRef = {
        kind = "ClusterSecretStore";
        name = externalSecrets.${secret}.store;
      };
      target.name = secret;
      dataFrom = [ { extract.key = externalSecrets.${secret}.remoteKey; } ];
    };
  };
  # One file each, named after the Secret.
  secretFiles = builtins.listToAttrs (
    map (secret: {
      name = "${at}/shared/externalsecret-${secret}.yaml";
      value = externalSecret secret;
    }) (attrNames externalSecrets)
  );
in
{
  "${at}/_cluster/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1alpha1";
    kind = "Component";
    components = [
      "../../../components/${cloud}"
      "../../../components/googleapis/${spec.googleApis or "public"}"
      "../../../components/autoscale"
    ];
    patches = [
      (patch "Deployment" deployment)
      (patch "NetworkPolicy" (resolvers ++ [ brokers ] ++ stores))
      (patch "ScaledObject" autoscaling)
    ];
    images = [
      {
        inherit name;
        newName = spec.image;
        inherit (release) digest;
      }
    ];
  }
  // (
    if kind == "externalAccount" then
      {
        configMapGenerator = [
          {
            name = "google-credentials";
            files = [ "credentials.json" ];
          }
        ];
      }
    else
      { }
  );

  "${at}/shared/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    inherit namespace;
    resources = [
      "../../../base/shared"
    ]
    ++ map (secret: "externalsecret-${secret}.yaml") (attrNames externalSecrets)
    ++ when (spec ? imagePolicy) [ "imagepolicy.yaml" ];
    components = [ "../../../components/monitoring/${cloud}" ];
  }
  // (if annotations != { } then { patches = [ (patch "ServiceAccount" serviceAccount) ]; } else { });

  # The whole cluster, for `kubectl kustomize`. ArgoCD builds `shared` and each instance separately.
  "${at}/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    resources = [ "shared" ] ++ map (i: "instances/${i.name}") cluster.instances;
  };
}
// secretFiles
// (
  if spec ? imagePolicy then
    { "${at}/shared/imagepolicy.yaml" = import ./policy.nix { inherit name signing cluster; }; }
  else
    { }
)
// (
  if kind == "externalAccount" then
    {
      "${at}/_cluster/credentials.json" =
        builtins.toJSON {
          type = "external_account";
          inherit (credentials) audience;
          subject_token_type = "urn:ietf:params:oauth:token-type:jwt";
          token_url = "https://sts.googleapis.com/v1/token";
          service_account_impersonation_url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${credentials.serviceAccount}:generateAccessToken";
          credential_source.file = "${mount}/token";
        }
        + "\n";
    }
  else
    { }
)
