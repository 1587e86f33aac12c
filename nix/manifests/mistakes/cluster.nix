# Validates a cluster's settings, cluster.nix: the mistakes, each a sentence.
{
  hostNames,
  kinds,
  signing,
}:
let
  inherit (builtins)
    all
    any
    attrNames
    concatMap
    elem
    filter
    isAttrs
    isBool
    isString
    length
    stringLength
    substring
    ;
  text = import ../text.nix;
  keys = import ../keys.nix;
  resources = import ./resources.nix;
  shape = import ./shape.nix;
  google = import ../google.nix;
  inherit (text) matches show;
  inherit (shape)
    is
    isUnseen
    list
    under
    when
    ;

  octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  isAddress = matches "${octet}([.]${octet}){3}";
  isRepository = matches "[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+";
  isName = matches "[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?";
  isAudience = matches "//iam[.]googleapis[.]com/projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}/providers/[a-z0-9-]{4,32}";
  # By digest alone: with a tag as well, two references would be the same image.
  isPinned = matches "[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}";
  isRole = matches "arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+";

  line = is (text.isLine 4096) "a text on one line" "write the value between quotes";
  account =
    is (matches "[a-z0-9][a-z0-9-]*@[a-z0-9.-]+[.]gserviceaccount[.]com") "a Google service account"
      "write <name>@<project>.iam.gserviceaccount.com";
  # Where External Secrets finds a secret.
  secret = shape.fields {
    needed = [
      "store"
      "remoteKey"
    ];
    checks = {
      store = is isName "the name of a ClusterSecretStore" "write lower case, digits and hyphens";
      remoteKey = line;
    };
  };

  credentials = {
    workloadIdentity = account;
    externalAccount = shape.fields {
      needed = [
        "audience"
        "serviceAccount"
      ];
      checks = {
        audience =
          isUnseen isAudience "a provider of a workload identity pool"
            "write what infra/gcp/setup prints; Google's names of pools and providers have 4 to 32 characters";
        serviceAccount = account;
      };
    };
    key = secret;
  };
  identity =
    c: at: value:
    let
      given = attrNames value;
      possible = kinds.${c.cloud};
    in
    if isAttrs value && length given == 1 && all (kind: elem kind possible) given then
      concatMap (kind: credentials.${kind} (under at kind) value.${kind}) given
    else
      [
        "${at} has ${
          if !(isAttrs value) then
            text.typeName value
          else if given == [ ] then
            "nothing"
          else
            "`${list (map text.showName given)}`"
        }: set exactly one of ${list possible} on ${c.cloud}."
      ];

  hosts =
    c: at: value:
    let
      each = shape.map {
        example = "hosts.${builtins.head hostNames} = \"<its address seen from ${c.name}>\"";
        of =
          host: at: address:
          when (!(elem host hostNames))
            "${at} is not a broker in config/environments.toml (it has ${list hostNames}): correct the name or remove it."
          ++
            is isAddress "an IPv4 address"
              "write four numbers from 0 to 255 without leading zeros; a pod's hosts file takes addresses only"
              at
              address;
      };
      lacking = if isAttrs value then filter (host: !(value ? ${host})) hostNames else [ ];
    in
    each at value
    ++ map (
      host:
      "${at} lacks `${host}`, a broker in config/environments.toml: add hosts.${host} = \"<its address seen from ${c.name}>\"."
    ) lacking;

  awsRole =
    c: at: value:
    if c.cloud == "eks" then
      is isRole "a role in AWS" "write the role's ARN, the output InstanceRoleArn of infra/aws/eks.yaml"
        at
        value
    else
      [ "${at} is a role in AWS, which pods have on eks; other clouds have none: remove it." ];

  dnsAddresses = shape.items {
    example = "dnsAddresses = [ \"169.254.20.10\" ]";
    of =
      at: value:
      when (!(isAddress value))
        "${at} has ${show value}, which is not an IPv4 address: write those of the cluster's resolver that belong to no pod.";
  };

  port = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})";
  stores = shape.items {
    example = "stores = [ \"10.30.0.5:5432\" ]";
    of =
      at: value:
      when (!(matches "${octet}([.]${octet}){3}(/([89]|[12][0-9]|3[0-2]))?:${port}" value))
        "${at} has ${show value}, which is not an IPv4 address with a port: write those of PostgreSQL, InfluxDB and object stores as pods reach them, \"10.30.0.5:5432\", or a range (of /8 at most), \"52.216.0.0/15:443\".";
  };

  # Names that only this repository's code sets.
  reserved = [
    "CLUSTER"
    "WRITE_ENV"
    "GOOGLE_APPLICATION_CREDENTIALS"
  ];
  variable =
    name: at:
    when (!(matches "[A-Z][A-Z0-9_]*" name) || elem name reserved)
      "${at}: the variable `${text.showName name}` cannot be set in env or secretEnv: the cluster's name is CLUSTER, `writeEnv` sets WRITE_ENV, `credentials` sets the credentials, and names are upper case.";
  # The keys of librdkafka's secrets. `config` redacts a few more, whose values are no secrets, such as
  # the path of a key.
  namesSecret =
    name:
    any (word: text.contains word name) [
      "PASSWORD"
      "PASSWD"
      "SECRET"
      "SASL_JAAS"
      "SASL_OAUTHBEARER_CONFIG"
      "SSL_KEY_PEM"
    ];
  isValue =
    value:
    value == ""
    ||
      text.isLine 32768 value
      && substring 0 1 value != " "
      && substring (stringLength value - 1) 1 value != " ";
  plainVariable =
    name: at: value:
    variable name at
    ++ (
      if namesSecret name || isString value && text.hasSecret value then
        [
          "${at} would put a secret into git: store it in External Secrets (externalSecrets) and name it in secretEnv."
        ]
      else
        isUnseen isValue "the text of a variable"
          "write it between quotes, on one line, without blanks around it"
          at
          value
    );
  secretVariable =
    name: at: value:
    variable name at
    ++
      isUnseen (matches "[a-z0-9.-]+/[A-Za-z0-9._-]+") "a Secret and a key"
        "write \"<secret>/<key>\", never the value itself"
        at
        value;

  # In production the placeholder is no image.
  sqlProxy =
    c: at: value:
    is isPinned "an image with its digest"
      "write registry/path@sha256:… without a tag, as `skopeo inspect` prints the digest"
      at
      value
    ++
      when (c.env == "prod" && isPinned value && text.contains placeholder value)
        "${at} has the placeholder digest, which no image has: write the digest of the version that is to run.";
  placeholder = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

  # The policy contains the keys, and the builder and repository in texts of CEL.
  imagePolicy =
    at: value:
    is (value: value == "enforce" || value == "audit") "enforce or audit"
      "enforce refuses images, audit reports them; leave it out to have no policy"
      at
      value
    ++
      when (signing.faults == [ ] && signing.keys == [ ])
        "${at} needs a public key under nix/keys: no image could be verified (docs/delivery.md, Signatures)."
    ++
      concatMap
        (
          field:
          when (
            !(matches "[A-Za-z0-9:/.@_~%+-]+" signing.${field})
          ) "nix/gitops.nix: provenance.${field} is no URL: write letters, digits and :/.@_~%+- only."
        )
        [
          "builder"
          "repository"
        ];

  externalSecrets = shape.map {
    example = "externalSecrets.<secret> = { store = …; remoteKey = …; }";
    of =
      name: at: value:
      when (!(isName name) || name == "google-credentials")
        "${at}: a Secret cannot have this name: use lower case, digits and hyphens; google-credentials is the Secret of `credentials`."
      ++ secret at value;
  };
in
at: c:
let
  inherit (c) spec;
  both = filter (name: spec.secretEnv ? ${name}) (attrNames spec.env);
  found = shape.fields {
    needed = [
      "writeEnv"
      "image"
      "hosts"
      "credentials"
      "prometheus"
      "resources"
    ];
    lacking = "set it, as the other clusters do.";
    checks = {
      writeEnv =
        at: value:
        when (
          value != c.env
        ) "${at} is ${show value}, but the cluster is named ${c.name}: set writeEnv = \"${c.env}\".";
      image =
        is isRepository "an image repository"
          "write registry/path without tag or digest; the digest belongs in release.json";
      hosts = hosts c;
      credentials = identity c;
      prometheus =
        isUnseen (matches "https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[^@[:space:]]*)?") "the URL of a Prometheus"
          "write http:// or https://, host and path, without a user";
      inherit
        dnsAddresses
        externalSecrets
        resources
        stores
        ;
      awsRole = awsRole c;
      sqlProxy = sqlProxy c;
      googleApis =
        is (value: isString value && google ? ${value}) "one of ${list (attrNames google)}"
          "it chooses the addresses of Google's APIs that pods may reach";
      env = shape.map {
        example = "env.<NAME> = \"<value>\"";
        of = plainVariable;
      };
      secretEnv = shape.map {
        example = "secretEnv.<NAME> = \"<secret>/<key>\"";
        of = secretVariable;
      };
      inherit imagePolicy;
      check = is isBool "true or false" "write it without quotes";
      pauseAutoscaling = is isBool "true or false" "write it without quotes";
    };
  } at spec;
in
found
++ concatMap (name: [ "${at} sets ${name} in env and in secretEnv: remove one of the two." ]) (
  if found == [ ] && spec ? env && spec ? secretEnv then both else [ ]
)
