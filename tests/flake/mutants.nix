# Every mutant of every cluster's settings, release and transfers: one value is replaced by one of another type,
# or is missing. Returns for each, from number `from` up to `until`, its name, the mistakes that are
# found, and how many files are rendered of it if there are none.
{
  root,
  from ? 0,
  until ? null,
  # Only the names.
  names ? false,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    deepSeq
    elemAt
    filter
    genList
    isAttrs
    isList
    length
    map
    removeAttrs
    ;
  environments = builtins.fromTOML (builtins.readFile (root + "/config/environments.toml"));
  clustersDir = root + "/nix/clusters";
  data = import (root + "/nix/manifests/data.nix") { inherit clustersDir environments; };

  # As if there were a key: without one no cluster can have a policy for images.
  signing = {
    builder = "https://jenkins.example.com/";
    repository = "https://git.example.com/x.git";
    keys = [
      {
        name = "a";
        pem = "a key";
      }
    ];
    faults = [ ];
  };

  values = {
    null = null;
    number = 7;
    fraction = 0.5;
    text = "a text";
    empty = "";
    lines = "two\nlines";
    long = builtins.concatStringsSep "" (genList (_: "0123456789") 40000);
    list = [ "a" ];
    lists = [ [ { } ] ];
    map = {
      a = { };
    };
    nothing = { };
    bool = true;
    function = argument: argument;
    path = /.;
  };
  replaced =
    at:
    map (type: {
      name = "${at} becomes ${type}";
      value = values.${type};
    }) (attrNames values);
  mutants =
    at: value:
    replaced at
    ++ (
      if isAttrs value then
        concatMap (
          field:
          [
            {
              name = "${at}.${field} is missing";
              value = removeAttrs value [ field ];
            }
          ]
          ++ map (
            mutant:
            mutant
            // {
              value = value // {
                ${field} = mutant.value;
              };
            }
          ) (mutants "${at}.${field}" value.${field})
        ) (attrNames value)
        ++ map (field: {
          name = "${at} has a field of the type ${field} too many";
          value = value // {
            "another ${field}" = values.${field};
          };
        }) (attrNames values)
      else if isList value then
        map (mutant: mutant // { value = [ mutant.value ]; }) (mutants "${at}[0]" (builtins.head value))
      else
        [ ]
    );

  proxyDigest = "a343f64e035eb01aeea358703a0428945d909d01e19452509a5a830862dda878";
  # The types that the TOML of a transfer may have.
  inToml =
    value:
    if isAttrs value then
      builtins.all (name: inToml value.${name}) (attrNames value)
    else if isList value then
      builtins.all builtins.isString value
    else
      builtins.isString value || builtins.isInt value || builtins.isBool value;
  # With every key that the file of a transfer may have.
  fullTransfer =
    t:
    t.value
    // {
      date = "today";
      max_rejected = "0.5%";
      domain.CONSUME_ENV = "uat";
      schedule = {
        cron = "30 3 * * *";
        time_zone = "Europe/Berlin";
        suspend = true;
        starting_deadline_seconds = 60;
      };
      job = {
        backoff_limit = 0;
        active_deadline_seconds = 60;
        successful_jobs_history_limit = 1;
        failed_jobs_history_limit = 1;
        ttl_seconds_after_finished = 0;
      };
      resources.requests.cpu = "1";
    };
  withTransfer =
    t: value:
    t
    // {
      inherit value;
      table = (value.transfer or { }).${t.name} or null;
    };

  # With every key that cluster.nix and release.json may have.
  full =
    c:
    c
    // {
      spec = {
        env.A = "b";
        secretEnv.B = "c/d";
        externalSecrets.e = {
          store = "f";
          remoteKey = "g";
        };
        imagePolicy = "audit";
        pauseAutoscaling = false;
        check = true;
        googleApis = "public";
        dnsAddresses = [ "169.254.20.10" ];
        stores = [ "10.30.0.5:5432" ];
        sqlProxy = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:${proxyDigest}";
      }
      // c.spec
      // {
        resources = {
          requests.cpu = "500m";
          limits.cpu = "1";
          limits.memory = "512Mi";
        };
      };
      release = c.release // {
        pins.canary = c.release.digest;
        paused = [ "canary" ];
        arriving = [ "canary" ];
      };
    };
  all = concatMap (
    c:
    map (
      mutant:
      mutant
      // {
        changed = (full c) // {
          spec = mutant.value;
        };
      }
    ) (mutants "${c.name}: spec" (full c).spec)
    ++ map (
      mutant:
      mutant
      // {
        changed = (full c) // {
          release = mutant.value;
        };
      }
    ) (mutants "${c.name}: release" (full c).release)
    ++ concatMap (
      t:
      map (
        mutant:
        mutant
        // {
          changed = c // {
            transfers = [ (withTransfer t mutant.value) ];
          };
        }
      ) (filter (mutant: inToml mutant.value) (mutants "${c.name}: transfer ${t.name}" (fullTransfer t)))
    ) c.transfers
  ) (attrValues data.clusters);

  judge =
    { name, changed, ... }:
    let
      mutated = data // {
        clusters = data.clusters // {
          ${changed.name} = changed;
        };
      };
      mistakes = import (root + "/nix/manifests/mistakes") {
        data = mutated;
        inherit environments signing;
      };
      inherit
        (import (root + "/nix/manifests") {
          inherit root signing;
          data = mutated;
          touched = [ changed.name ];
        })
        tree
        ;
    in
    {
      inherit name;
      sentences = map (mistake: mistake.sentence) mistakes;
      files = if mistakes == [ ] then deepSeq tree (length (attrNames tree)) else 0;
    };
  last = if until == null then length all else until;
in
if names then
  map (mutant: mutant.name) all
else
  genList (index: judge (elemAt all (from + index))) (last - from)
