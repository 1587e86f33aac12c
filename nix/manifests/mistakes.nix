# Validates the data under nix/clusters: a list of all mistakes, each a sentence that says what to
# do. The values of an instance's keys are validated by the program, not here.
{
  data,
  environments,
  google,
}:
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    groupBy
    isAttrs
    isString
    length
    map
    match
    stringLength
    ;
  clusters = attrValues data.clusters;
  when = condition: sentence: if condition then [ sentence ] else [ ];
  list = concatStringsSep ", ";

  writeEnvs = filter (env: !(isEmbedded environments.write.${env})) (attrNames environments.write);
  isEmbedded = env: env ? endpoint;

  known = [
    "writeEnv"
    "image"
    "hosts"
    "credentials"
    "prometheus"
    "resources"
    "env"
    "secretEnv"
    "externalSecrets"
    "awsRole"
    "pauseAutoscaling"
    "googleApis"
    "dnsAddresses"
  ];
  needed = [
    "writeEnv"
    "image"
    "hosts"
    "credentials"
    "prometheus"
    "resources"
  ];
  # The kinds of credentials that each cloud supports. A key always comes from External Secrets.
  kinds = {
    gke = [
      "workloadIdentity"
      "key"
    ];
    eks = [
      "externalAccount"
      "key"
    ];
  };

  # The required fields of values that are attribute sets.
  fields = {
    externalAccount = [
      "audience"
      "serviceAccount"
    ];
    key = [
      "store"
      "remoteKey"
    ];
  };
  lacking =
    where: wanted: value:
    map (field: "${where} lacks `${field}`: set it (docs/delivery.md, cluster.nix).") (
      filter (field: !(isAttrs value && value ? ${field})) wanted
    );

  isDigest = text: isString text && match "sha256:[0-9a-f]{64}" text != null;
  isAddress = text: isString text && match "[0-9]{1,3}([.][0-9]{1,3}){3}" text != null;
  isAudience =
    text:
    isString text
    &&
      match "//iam[.]googleapis[.]com/projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}/providers/[a-z0-9-]{4,32}" text
      != null;
  isRole = text: isString text && match "arn:aws[a-z-]*:iam::[0-9]{12}:role/.+" text != null;
  isRepository = text: isString text && match "[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+" text != null;

  cluster =
    c:
    let
      at = "nix/clusters/${c.name}";
      unknown = !(kinds ? ${toString c.cloud}) || !(elem c.env writeEnvs);
    in
    if unknown then
      [
        "${at}: unknown cluster. A cluster is named <cloud>-<environment>; the clouds are ${list (attrNames kinds)}, the environments those with a [write.…] in config/environments.toml (${list writeEnvs}). Rename the folder, or add the environment."
      ]
    else if c.spec == null || c.release == null then
      when (c.spec == null) "${at}/cluster.nix is missing: copy another cluster's and change it."
      ++ when (
        c.release == null
      ) ''${at}/release.json is missing: write { "digest": "sha256:…", "pins": {} }.''
    else
      spec at c ++ release at c ++ instances at c;

  spec =
    at: c:
    let
      s = c.spec;
      missing = filter (key: !(s ? ${key})) needed;
      strange = filter (key: !(elem key known)) (attrNames s);
      hosts = s.hosts or { };
      credentials = attrNames (s.credentials or { });
    in
    map (key: "${at}/cluster.nix lacks `${key}`: set it, as the other clusters do.") missing
    ++ map (key: "${at}/cluster.nix has the unknown key `${key}`: the keys are ${list known}.") strange
    ++
      when (s ? writeEnv && s.writeEnv != c.env)
        "${at}/cluster.nix: writeEnv is `${toString s.writeEnv}`, but the cluster is named ${c.name}: set writeEnv = \"${c.env}\"."
    ++
      when (s ? image && !(isRepository s.image))
        "${at}/cluster.nix: image = \"${toString s.image}\" is not an image repository: write registry/path without tag or digest; the digest belongs in release.json."
    ++ concatMap (
      host:
      when (!(hosts ? ${host}))
        "${at}/cluster.nix: hosts lacks `${host}`, a broker in config/environments.toml: add hosts.${host} = \"<its address seen from ${c.name}>\"."
    ) (if s ? hosts then data.hostNames else [ ])
    ++ concatMap (
      host:
      when (!(elem host data.hostNames))
        "${at}/cluster.nix: hosts.${host} is not a broker in config/environments.toml (it has ${list data.hostNames}): correct the name or remove it."
      ++
        when (!(isAddress hosts.${host}))
          "${at}/cluster.nix: hosts.${host} = \"${toString hosts.${host}}\" is not an IPv4 address: a pod's hosts file takes addresses only."
    ) (attrNames hosts)
    ++
      when
        (
          s ? credentials
          && (length credentials != 1 || !(all (kind: elem kind kinds.${c.cloud}) credentials))
        )
        "${at}/cluster.nix: credentials has `${list credentials}`: set exactly one of ${list kinds.${c.cloud}} on ${c.cloud}."
    ++ concatMap (
      kind: lacking "${at}/cluster.nix: credentials.${kind}" (fields.${kind} or [ ]) s.credentials.${kind}
    ) credentials
    ++
      when
        (
          credentials == [ "externalAccount" ]
          && s.credentials.externalAccount ? audience
          && !(isAudience s.credentials.externalAccount.audience)
        )
        "${at}/cluster.nix: credentials.externalAccount.audience is not a provider of a workload identity pool: write what infra/gcp/setup prints; Google's names of pools and providers have 4 to 32 characters."
    ++
      when (s ? awsRole && !(c.cloud == "eks" && isRole s.awsRole))
        "${at}/cluster.nix: awsRole = \"${toString s.awsRole}\": on eks write the role's ARN, the output InstanceRoleArn of infra/aws/eks.yaml; other clouds have none."
    ++ concatMap (
      secret:
      lacking "${at}/cluster.nix: externalSecrets.${secret}" fields.key s.externalSecrets.${secret}
    ) (attrNames (s.externalSecrets or { }))
    ++ concatMap (
      name:
      when
        (
          match "[A-Z][A-Z0-9_]*" name == null
          || elem name [
            "WRITE_ENV"
            "GOOGLE_APPLICATION_CREDENTIALS"
          ]
        )
        "${at}/cluster.nix: the variable `${name}` cannot be set in env or secretEnv: `writeEnv` sets WRITE_ENV, `credentials` sets the credentials, and names are upper case."
    ) (attrNames (s.env or { }) ++ attrNames (s.secretEnv or { }))
    ++
      when (s ? googleApis && !(isString s.googleApis && google ? ${s.googleApis}))
        "${at}/cluster.nix: googleApis is not one of ${list (attrNames google)}: it chooses the addresses of Google's APIs that pods may reach."
    ++ concatMap (
      ip:
      when (!(isAddress ip))
        "${at}/cluster.nix: dnsAddresses has ${builtins.toJSON ip}, which is not an IPv4 address: write those of the cluster's resolver that belong to no pod."
    ) (s.dnsAddresses or [ ])
    ++ concatMap (
      name:
      when (match "[a-z0-9.-]+/[A-Za-z0-9._-]+" s.secretEnv.${name} == null)
        "${at}/cluster.nix: secretEnv.${name} = \"${s.secretEnv.${name}}\" is not a Secret and a key: write \"<secret>/<key>\"."
    ) (attrNames (s.secretEnv or { }));

  release =
    at: c:
    let
      r = c.release;
      names = map (i: i.name) c.instances;
      pins = r.pins or { };
    in
    when (!(isAttrs r) || !(isDigest (r.digest or null)))
      "${at}/release.json: `digest` is not an image digest: write \"sha256:\" and 64 hexadecimal digits, as `skopeo inspect` or the image job prints them."
    ++ concatMap (
      name:
      when (!(elem name names))
        "${at}/release.json pins `${name}`, which is not an instance of ${c.name} (${list names}): remove the pin or correct the name."
      ++
        when (!(isDigest pins.${name}))
          "${at}/release.json: the pin of `${name}` is not an image digest: write \"sha256:\" and 64 hexadecimal digits."
    ) (attrNames pins)
    ++ concatMap (
      name:
      when (!(elem name names))
        "${at}/release.json pauses `${toString name}`, which is not an instance of ${c.name} (${list names}): remove it from `paused` or correct the name."
    ) (r.paused or [ ])
    ++ concatMap (
      name:
      when (!(elem name names))
        "${at}/release.json lets `${toString name}` arrive, which is not an instance of ${c.name} (${list names}): remove it from `arriving` or correct the name."
    ) (r.arriving or [ ]);

  instances =
    at: c:
    concatMap (instance at) c.instances
    ++ concatMap (
      same:
      when (length same > 1)
        "${at}/instances: duplicate instance ${(builtins.head same).domain} (${list (map (i: i.file) same)}): a domain runs once per cluster; remove all but one file."
    ) (attrValues (groupBy (i: i.domain) c.instances));

  instance =
    at: i:
    let
      file = "${at}/instances/${i.file}";
    in
    # The name becomes part of the Deployment's name: generic-consumer-<name>.
    when (match "[a-z][a-z0-9]*(-[a-z0-9]+)*[.]env" i.file == null || stringLength i.name > 40)
      "${file}: name the file <domain>.env, in lower case with hyphens between words and at most 40 characters: delivery-events.env is the domain DELIVERY_EVENTS."
    ++
      when (i.name == "shared")
        "${file}: the name `shared` is taken by the objects that a cluster's instances share: rename the domain."
    ++
      concatMap
        (
          key:
          when (i.keys ? ${key})
            "${file} sets ${key}, which belongs to the cluster: delete the line; cluster.nix sets where a cluster writes and with which credentials."
        )
        [
          "WRITE_ENV"
          "GOOGLE_APPLICATION_CREDENTIALS"
        ];

  # Across all clusters: a consumer group belongs to one domain, and one group fills a domain's table.
  everywhere = concatMap (c: map (i: i // { cluster = c; }) c.instances) (
    filter (c: c.spec != null) clusters
  );
  place = i: "nix/clusters/${i.cluster.name}/instances/${i.file}";
  textOf = base: i: toString (i.value base);
  complete = filter (i: i.value "GROUP_ID" != null && i.value "CONSUME_ENV" != null) everywhere;
  distinct = f: items: length (attrNames (groupBy f items));
  sharedGroups = concatMap (
    same:
    when (distinct (i: i.domain) same > 1)
      "${list (map place same)}: different domains use the consumer group `${textOf "GROUP_ID" (builtins.head same)}`: give each its own GROUP_ID, otherwise Kafka splits the partitions between them."
  ) (attrValues (groupBy (i: "${textOf "CONSUME_ENV" i} ${textOf "GROUP_ID" i}") complete));
  writtenTwice =
    concatMap
      (
        same:
        when (distinct (textOf "GROUP_ID") same > 1)
          "${list (map place same)}: duplicate instance: several consumer groups would write ${(builtins.head same).domain} to the same table, each of them every event: remove all but one, or give them the same GROUP_ID (as a move between clusters does)."
      )
      (
        attrValues (
          groupBy (
            i: "${i.domain} ${textOf "CONSUME_ENV" i} ${i.cluster.spec.writeEnv or ""} ${textOf "BQ_TABLE" i}"
          ) complete
        )
      );
in
concatLists (map cluster clusters) ++ sharedGroups ++ writtenTwice
