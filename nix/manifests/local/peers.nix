# Kafka, TimescaleDB and InfluxDB of the local cluster: one pod each, its data on a volume of the cluster's
# default class. They run as the users of their images, without privileges and on a read-only root file
# system, as the program does.
{
  parts,
  secret,
  labels,
  containerPorts,
  pod,
}:
let
  inherit (builtins) attrNames head map;
  port = part: listener: toString parts.${part}.listens.${listener}.port;
  literals =
    variables:
    map (name: {
      inherit name;
      value = variables.${name};
    }) (attrNames variables);
  fromSecret = variable: key: {
    name = variable;
    valueFrom.secretKeyRef = {
      name = secret;
      inherit key;
    };
  };

  peer =
    part:
    {
      image,
      # The user and group of the image.
      user,
      env,
      # Where its data are.
      data,
      # Folders that it writes to as well, empty when a pod starts.
      scratch,
      storage,
      memory,
      probe,
    }:
    {
      apiVersion = "apps/v1";
      kind = "StatefulSet";
      metadata = {
        name = part;
        labels = labels part;
      };
      spec = {
        replicas = 1;
        serviceName = part;
        selector.matchLabels = labels part;
        template = {
          metadata.labels = labels part;
          spec = {
            inherit (pod) automountServiceAccountToken enableServiceLinks;
            terminationGracePeriodSeconds = 60;
            securityContext = pod.securityContext // {
              runAsUser = user;
              runAsGroup = user;
              fsGroup = user;
            };
            containers = [
              {
                name = part;
                inherit image env;
                inherit (head pod.containers) securityContext;
                ports = containerPorts part;
                # Three minutes to start: the first start makes the database.
                startupProbe = probe // {
                  periodSeconds = 2;
                  timeoutSeconds = 5;
                  failureThreshold = 90;
                };
                readinessProbe = probe // {
                  periodSeconds = 5;
                  timeoutSeconds = 5;
                };
                livenessProbe = probe // {
                  periodSeconds = 20;
                  timeoutSeconds = 10;
                  failureThreshold = 6;
                };
                resources = {
                  requests = {
                    cpu = "100m";
                    memory = memory.request;
                  };
                  limits.memory = memory.limit;
                };
                volumeMounts = [
                  {
                    name = "data";
                    mountPath = data;
                  }
                ]
                ++ map (folder: {
                  name = baseNameOf folder;
                  mountPath = folder;
                }) scratch;
              }
            ];
            volumes = map (folder: {
              name = baseNameOf folder;
              emptyDir = { };
            }) scratch;
          };
        };
        volumeClaimTemplates = [
          {
            metadata.name = "data";
            spec = {
              accessModes = [ "ReadWriteOnce" ];
              resources.requests.storage = storage;
            };
          }
        ];
      };
    };
in
{
  # One KRaft node of the version that the tests run.
  kafka = peer "kafka" {
    image = "apache/kafka:4.1.0@sha256:bff074a5d0051dbc0bbbcd25b045bb1fe84833ec0d3c7c965d1797dd289ec88f";
    user = 1000;
    data = "/var/lib/kafka/data";
    # The image writes its configuration when it starts.
    scratch = [
      "/opt/kafka/config"
      "/opt/kafka/logs"
      "/tmp"
    ];
    storage = "2Gi";
    memory.request = "512Mi";
    memory.limit = "1Gi";
    probe.tcpSocket.port = "kafka";
    env =
      let
        inherit (parts.kafka.listens.kafka) here forwarded;
      in
      literals {
        CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ";
        KAFKA_NODE_ID = "1";
        KAFKA_PROCESS_ROLES = "broker,controller";
        KAFKA_CONTROLLER_QUORUM_VOTERS = "1@localhost:9093";
        KAFKA_LISTENERS = "PLAINTEXT://:${port "kafka" "kafka"},FORWARDED://:${toString forwarded},CONTROLLER://localhost:9093";
        # Who comes through a forwarded port is sent to that port again.
        KAFKA_ADVERTISED_LISTENERS = "PLAINTEXT://kafka:${port "kafka" "kafka"},FORWARDED://127.0.0.1:${toString here}";
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP = "PLAINTEXT:PLAINTEXT,FORWARDED:PLAINTEXT,CONTROLLER:PLAINTEXT";
        KAFKA_INTER_BROKER_LISTENER_NAME = "PLAINTEXT";
        KAFKA_CONTROLLER_LISTENER_NAMES = "CONTROLLER";
        # Below the volume's own folder, which may hold `lost+found`.
        KAFKA_LOG_DIRS = "/var/lib/kafka/data/log";
        # The event API's first question creates the topic.
        KAFKA_AUTO_CREATE_TOPICS_ENABLE = "true";
        KAFKA_NUM_PARTITIONS = "4";
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR = "1";
        KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS = "4";
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR = "1";
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR = "1";
        KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS = "4";
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS = "0";
        # A day of 100 events a second is less than the volume has.
        KAFKA_LOG_RETENTION_HOURS = "24";
        KAFKA_LOG_SEGMENT_BYTES = "67108864";
        KAFKA_HEAP_OPTS = "-Xms256m -Xmx384m";
      };
  };

  timescaledb = peer "timescaledb" {
    image = "timescale/timescaledb:2.30.0-pg17@sha256:3113d12b78392c064aa7475caf7a52b447b29ddd4f9bfd23526733fcb03e3459";
    # `postgres` of Alpine.
    user = 70;
    data = "/var/lib/postgresql/data";
    scratch = [
      "/tmp"
      "/var/run/postgresql"
    ];
    storage = "2Gi";
    memory.request = "256Mi";
    memory.limit = "512Mi";
    # While the database is made, the server listens on its socket alone.
    probe.exec.command = [
      "pg_isready"
      "--host=127.0.0.1"
      "--port=${port "timescaledb" "postgres"}"
      "--username=streamproc"
      "--dbname=streamproc"
    ];
    env =
      literals {
        POSTGRES_DB = "streamproc";
        POSTGRES_USER = "streamproc";
        PGDATA = "/var/lib/postgresql/data/pgdata";
        # PostgreSQL's own settings fit a container of this size.
        NO_TS_TUNE = "true";
        TIMESCALEDB_TELEMETRY = "off";
      }
      ++ [ (fromSecret "POSTGRES_PASSWORD" "postgres-password") ];
  };

  # The version that the tests run; it has the API v2 and its tokens, which are `user:password`.
  influxdb = peer "influxdb" {
    image = "influxdb:1.8.10@sha256:299ebda2c7e308dbef42e26ac9b8fd1d9b3bcb8a0aee80c6509aa0219c1d0290";
    # The image names no user but root, and works as any.
    user = 1500;
    data = "/var/lib/influxdb";
    scratch = [ "/tmp" ];
    storage = "1Gi";
    memory.request = "128Mi";
    memory.limit = "512Mi";
    # Until users and database are there, it listens on the loopback address alone.
    probe.httpGet = {
      path = "/ping";
      port = "http";
    };
    env =
      literals {
        HOME = "/tmp";
        INFLUXDB_DB = "streamproc";
        INFLUXDB_ADMIN_USER = "admin";
        INFLUXDB_USER = "streamproc";
        INFLUXDB_HTTP_AUTH_ENABLED = "true";
        INFLUXDB_HTTP_LOG_ENABLED = "false";
        INFLUXDB_DATA_QUERY_LOG_ENABLED = "false";
        INFLUXDB_MONITOR_STORE_ENABLED = "false";
        INFLUXDB_REPORTING_DISABLED = "true";
      }
      ++ [
        (fromSecret "INFLUXDB_ADMIN_PASSWORD" "influxdb-admin-password")
        (fromSecret "INFLUXDB_USER_PASSWORD" "influxdb-password")
      ];
  };
}
