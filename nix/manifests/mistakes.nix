# Every mistake in the data under nix/clusters, each a sentence with what to do.
# All of them are listed at once; what a domain's keys may hold is the program's to judge.
{
  data,
  environments,
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
    "pauseAutoscaling"
  ];
  needed = [
    "writeEnv"
    "image"
    "hosts"
    "credentials"
    "prometheus"
    "resources"
  ];
  # Which credentials each cloud can give; a key comes from External Secrets and nowhere else.
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

  # What a value that is a set has to have.
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
  isRepository = text: isString text && match "[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+" text != null;

  cluster =
    c:
    let
      at = "nix/clusters/${c.name}";
      unknown = !(kinds ? ${toString c.cloud}) || !(elem c.env writeEnvs);
    in
    if unknown then
      [
        "${at}: unknown cluster. A cluster is called <cloud>-<environment>: the cloud is ${list (attrNames kinds)}, the environment one of config/environments.toml's [write.…] (${list writeEnvs}). Rename the folder, or add the environment."
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
        "${at}/cluster.nix writes to `${toString s.writeEnv}`, but the cluster is called ${c.name}: set writeEnv = \"${c.env}\"."
    ++
      when (s ? image && !(isRepository s.image))
        "${at}/cluster.nix: image = \"${toString s.image}\" is no image repository: give registry/path without tag or digest; the digest stands in release.json."
    ++ concatMap (
      host:
      when (!(hosts ? ${host}))
        "${at}/cluster.nix: hosts lacks `${host}`, which config/environments.toml names as a broker: add hosts.${host} = \"<its address seen from ${c.name}>\"."
    ) (if s ? hosts then data.hostNames else [ ])
    ++ concatMap (
      host:
      when (!(elem host data.hostNames))
        "${at}/cluster.nix: hosts.${host} is the name of no broker in config/environments.toml (${list data.hostNames}): correct the name or remove it."
      ++
        when (!(isAddress hosts.${host}))
          "${at}/cluster.nix: hosts.${host} = \"${toString hosts.${host}}\" is no IPv4 address: a pod's hosts file takes addresses only."
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
        "${at}/cluster.nix: the variable `${name}` cannot be set through env or secretEnv: WRITE_ENV comes from writeEnv, the credentials from credentials, and names are upper case."
    ) (attrNames (s.env or { }) ++ attrNames (s.secretEnv or { }))
    ++ concatMap (
      name:
      when (match "[a-z0-9.-]+/[A-Za-z0-9._-]+" s.secretEnv.${name} == null)
        "${at}/cluster.nix: secretEnv.${name} = \"${s.secretEnv.${name}}\" names no Secret and key: write \"<secret>/<key>\"."
    ) (attrNames (s.secretEnv or { }));

  release =
    at: c:
    let
      r = c.release;
      names = map (i: i.name) c.instances;
      pins = r.pins or { };
    in
    when (!(isAttrs r) || !(isDigest (r.digest or null)))
      "${at}/release.json: `digest` is no image digest: write \"sha256:\" and 64 hexadecimal digits, as `skopeo inspect` or the image job prints them."
    ++ concatMap (
      name:
      when (!(elem name names))
        "${at}/release.json pins `${name}`, which is no instance of ${c.name} (${list names}): remove the pin or correct the name."
      ++
        when (!(isDigest pins.${name}))
          "${at}/release.json: the pin of `${name}` is no image digest: write \"sha256:\" and 64 hexadecimal digits."
    ) (attrNames pins)
    ++ concatMap (
      name:
      when (!(elem name names))
        "${at}/release.json pauses `${toString name}`, which is no instance of ${c.name} (${list names}): remove it from `paused` or correct the name."
    ) (r.paused or [ ]);

  instances =
    at: c:
    concatMap (instance at) c.instances
    ++ concatMap (
      same:
      when (length same > 1)
        "${at}/instances: duplicate instance ${(builtins.head same).domain} (${list (map (i: i.file) same)}): one domain runs once a cluster; remove all but one file."
    ) (attrValues (groupBy (i: i.domain) c.instances));

  instance =
    at: i:
    let
      file = "${at}/instances/${i.file}";
    in
    # The name becomes a Deployment's: generic-consumer-<name>.
    when (match "[a-z][a-z0-9]*(-[a-z0-9]+)*[.]env" i.file == null || stringLength i.name > 40)
      "${file}: call the file <domain>.env in lower case, words joined by hyphens, 40 characters at most: delivery-events.env is the domain DELIVERY_EVENTS."
    ++ when (
      i.name == "shared"
    ) "${file}: `shared` is the name of what a cluster's instances share: call the domain otherwise."
    ++
      concatMap
        (
          key:
          when (i.keys ? ${key})
            "${file} sets ${key}, which belongs to the cluster: delete the line; cluster.nix says where a cluster writes and as whom."
        )
        [
          "WRITE_ENV"
          "GOOGLE_APPLICATION_CREDENTIALS"
        ];

  # Over all clusters: a group belongs to one domain, and a domain's table is filled by one group.
  everywhere = concatMap (c: map (i: i // { cluster = c; }) c.instances) (
    filter (c: c.spec != null) clusters
  );
  place = i: "nix/clusters/${i.cluster.name}/instances/${i.file}";
  said = base: i: toString (i.value base);
  complete = filter (i: i.value "GROUP_ID" != null && i.value "CONSUME_ENV" != null) everywhere;
  distinct = f: items: length (attrNames (groupBy f items));
  sharedGroups = concatMap (
    same:
    when (distinct (i: i.domain) same > 1)
      "${list (map place same)}: different domains use the consumer group `${said "GROUP_ID" (builtins.head same)}`: give each its own GROUP_ID, or Kafka splits the partitions between them."
  ) (attrValues (groupBy (i: "${said "CONSUME_ENV" i} ${said "GROUP_ID" i}") complete));
  writtenTwice =
    concatMap
      (
        same:
        when (distinct (said "GROUP_ID") same > 1)
          "${list (map place same)}: duplicate instance: ${(builtins.head same).domain} would be written to one table by several groups, every event as often: remove all but one, or give them the same GROUP_ID (as a move between clusters does)."
      )
      (
        attrValues (
          groupBy (
            i: "${i.domain} ${said "CONSUME_ENV" i} ${i.cluster.spec.writeEnv or ""} ${said "BQ_TABLE" i}"
          ) complete
        )
      );
in
concatLists (map cluster clusters) ++ sharedGroups ++ writtenTwice
