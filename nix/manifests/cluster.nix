# A cluster's part of its overlay: `_cluster` and `_transfer`, components of every instance and of every
# transfer, `_check` of every instance that is checked, and `shared`.
{
  name,
  namespace,
  yaml,
  signing,
  # Of all transfers.
  transfer,
  # Of all checks.
  check,
}:
cluster:
let
  inherit (builtins)
    attrNames
    head
    length
    map
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

  inherit (pod) addresses;

  pod = import ./pod.nix { inherit name; } cluster;
  deployment = {
    apiVersion = "apps/v1";
    kind = "Deployment";
    metadata = { inherit name; };
    spec.template.spec = pod.podSpec // {
      containers = map (container: container // { inherit (spec) resources; }) pod.podSpec.containers;
    };
  };
  checkPod = pod.podSpecWith check.credentials;
  job = {
    apiVersion = "batch/v1";
    kind = "Job";
    metadata.name = check.name;
    spec.template.spec = checkPod // {
      containers = map (container: container // { inherit (spec) resources; }) checkPod.containers;
    };
  };
  # A transfer sets its own resources.
  cronJob = {
    apiVersion = "batch/v1";
    kind = "CronJob";
    metadata.name = transfer.name;
    spec.jobTemplate.spec.template.spec = pod.podSpec;
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

  network = resolvers ++ [ brokers ] ++ stores;
  images = [
    {
      inherit name;
      newName = spec.image;
      inherit (release) digest;
    }
  ];
  # What every pod needs.
  common = [
    "../../../components/${cloud}"
    "../../../components/googleapis/${spec.googleApis or "public"}"
  ]
  ++ when (kind == "externalAccount") [ "../_credentials" ];

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
  credentialsFile =
    builtins.toJSON {
      type = "external_account";
      inherit (credentials) audience;
      subject_token_type = "urn:ietf:params:oauth:token-type:jwt";
      token_url = "https://sts.googleapis.com/v1/token";
      service_account_impersonation_url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${credentials.serviceAccount}:generateAccessToken";
      credential_source.file = "${pod.mount}/token";
    }
    + "\n";

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
    components = common ++ [ "../../../components/autoscale" ];
    patches = [
      (patch "Deployment" deployment)
      (patch "NetworkPolicy" network)
      (patch "ScaledObject" autoscaling)
    ];
    inherit images;
  };

  # A component of every instance, after `_cluster`.
  "${at}/_check/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1alpha1";
    kind = "Component";
    patches = [
      (patch "Job" job)
      # Nobody connects to a check: it has no metrics to be collected.
      {
        target = {
          kind = "NetworkPolicy";
          inherit (check) name;
        };
        patch = yaml [
          {
            op = "replace";
            path = "/spec/ingress";
            value = [ ];
          }
        ];
      }
    ];
  }
  // (
    if kind == "externalAccount" then
      {
        configMapGenerator = [
          {
            name = check.credentials;
            files = [ "credentials.json" ];
            inherit (check) options;
          }
        ];
      }
    else
      { }
  );

  # A component of every transfer.
  "${at}/_transfer/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1alpha1";
    kind = "Component";
    components = common;
    patches = [
      (patch "CronJob" cronJob)
      # Nobody connects to a transfer: it has no metrics to be collected.
      (patch "NetworkPolicy" (
        network
        ++ [
          {
            op = "replace";
            path = "/spec/ingress";
            value = [ ];
          }
        ]
      ))
    ];
    inherit images;
  };

  "${at}/shared/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    inherit namespace;
    resources = [
      "../../../base/shared"
    ]
    ++ map (secret: "externalsecret-${secret}.yaml") (attrNames externalSecrets)
    ++ when (spec ? imagePolicy) [ "imagepolicy.yaml" ];
    components = [
      "../../../components/monitoring/${cloud}"
      "../../../components/monitoring/grafana"
    ];
  }
  // (if annotations != { } then { patches = [ (patch "ServiceAccount" serviceAccount) ]; } else { });

  # The whole cluster, for `kubectl kustomize`. ArgoCD builds `shared` and each instance separately.
  "${at}/kustomization.yaml" = {
    apiVersion = "kustomize.config.k8s.io/v1beta1";
    kind = "Kustomization";
    resources = [
      "shared"
    ]
    ++ map (i: "instances/${i.name}") cluster.instances
    ++ map (t: "transfers/transfer-${t.name}") cluster.transfers;
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
      "${at}/_credentials/kustomization.yaml" = {
        apiVersion = "kustomize.config.k8s.io/v1alpha1";
        kind = "Component";
        configMapGenerator = [
          {
            name = "google-credentials";
            files = [ "credentials.json" ];
          }
        ];
      };
      "${at}/_credentials/credentials.json" = credentialsFile;
      # kustomize reads no file of another folder.
      "${at}/_check/credentials.json" = credentialsFile;
    }
  else
    { }
)
