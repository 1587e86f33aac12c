import com.google.api.core.ApiFuture;
import com.google.api.gax.core.NoCredentialsProvider;
import com.google.api.gax.rpc.InvalidArgumentException;
import com.google.api.gax.rpc.OutOfRangeException;
import com.google.cloud.bigquery.storage.v1.AppendRowsResponse;
import com.google.cloud.bigquery.storage.v1.BatchCommitWriteStreamsRequest;
import com.google.cloud.bigquery.storage.v1.BigQueryWriteClient;
import com.google.cloud.bigquery.storage.v1.BigQueryWriteSettings;
import com.google.cloud.bigquery.storage.v1.CreateWriteStreamRequest;
import com.google.cloud.bigquery.storage.v1.Exceptions;
import com.google.cloud.bigquery.storage.v1.FlushRowsRequest;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.TableName;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import com.google.protobuf.Int64Value;
import io.grpc.ManagedChannelBuilder;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.json.JSONArray;
import org.json.JSONObject;

/**
 * Runs Google's JsonStreamWriter against the embedded BigQuery, on streams of every type. The first step
 * that fails ends it with a stack trace and exit code 1. The test that starts it checks the rows of the
 * table afterwards.
 */
public final class JsonWriters {
  private static final String PROJECT = "p-live";
  private static final String DATASET = "live";
  private static final String TABLE = "java";
  private static final String PARENT = TableName.of(PROJECT, DATASET, TABLE).toString();

  private static final String SCHEMA = """
      [{"name": "id", "type": "INTEGER", "mode": "REQUIRED"},
       {"name": "name", "type": "STRING"},
       {"name": "ratio", "type": "FLOAT"},
       {"name": "amount", "type": "NUMERIC"},
       {"name": "big", "type": "BIGNUMERIC"},
       {"name": "ok", "type": "BOOLEAN"},
       {"name": "at", "type": "TIMESTAMP"},
       {"name": "day", "type": "DATE"},
       {"name": "moment", "type": "DATETIME"},
       {"name": "clock", "type": "TIME"},
       {"name": "raw", "type": "BYTES"},
       {"name": "extra", "type": "JSON"},
       {"name": "tags", "type": "STRING", "mode": "REPEATED"},
       {"name": "place", "type": "RECORD", "fields": [
         {"name": "city", "type": "STRING"},
         {"name": "position", "type": "RECORD", "fields": [
           {"name": "lat", "type": "FLOAT"}, {"name": "lon", "type": "FLOAT"}]}]},
       {"name": "stops", "type": "RECORD", "mode": "REPEATED", "fields": [
         {"name": "number", "type": "INTEGER"}, {"name": "label", "type": "STRING"}]}]""";

  private final String rest;
  private final BigQueryWriteClient client;

  private JsonWriters(String rest, BigQueryWriteClient client) {
    this.rest = rest;
    this.client = client;
  }

  public static void main(String[] args) throws Exception {
    Logger.getLogger("").setLevel(Level.WARNING);
    BigQueryWriteSettings settings = BigQueryWriteSettings.newBuilder()
        .setCredentialsProvider(NoCredentialsProvider.create())
        .setTransportChannelProvider(BigQueryWriteSettings.defaultGrpcTransportProviderBuilder()
            .setEndpoint(args[1])
            .setChannelConfigurator(ManagedChannelBuilder::usePlaintext)
            .build())
        .build();
    try (BigQueryWriteClient client = BigQueryWriteClient.create(settings)) {
      JsonWriters writers = new JsonWriters(args[0], client);
      writers.createTable();
      writers.defaultStream();
      writers.committedStream();
      writers.bufferedStream();
      writers.pendingStream();
      writers.badRow();
      writers.newColumn();
    } catch (Exceptions.AppendSerializationError error) {
      throw new AssertionError("rows refused: " + error.getRowIndexToErrorMessage(), error);
    }
    System.out.println("java writers: all steps passed");
    // Threads of the client's own would keep the process for a while.
    System.exit(0);
  }

  /** A value in every column, nested records included. */
  private static JSONObject full(int id) {
    JSONObject position = new JSONObject().put("lat", 52.5).put("lon", 13.25);
    return new JSONObject()
        .put("id", id)
        .put("name", "n" + id)
        .put("ratio", 0.5)
        .put("amount", "1.25")
        .put("big", "12345678901234567890.5")
        .put("ok", true)
        .put("at", "2026-01-02T03:04:05.678901Z")
        .put("day", "2026-01-02")
        .put("moment", "2026-01-02T03:04:05.678901")
        .put("clock", "03:04:05.678901")
        .put("raw", new JSONArray(new int[] {0, 127, -1}))
        .put("extra", "{\"k\": [1, 2]}")
        .put("tags", new JSONArray(new String[] {"a", "b"}))
        .put("place", new JSONObject().put("city", "Berlin").put("position", position))
        .put("stops", new JSONArray()
            .put(new JSONObject().put("number", 1).put("label", "first"))
            .put(new JSONObject().put("number", 2)));
  }

  private static JSONArray rows(int... ids) {
    JSONArray rows = new JSONArray();
    for (int id : ids) {
      rows.put(new JSONObject().put("id", id));
    }
    return rows;
  }

  private void defaultStream() throws Exception {
    try (JsonStreamWriter writer = JsonStreamWriter.newBuilder(PARENT, client).build()) {
      done(writer.append(new JSONArray().put(full(1))));
      done(writer.append(rows(2, 3)));
    }
  }

  private void committedStream() throws Exception {
    String stream = create(WriteStream.Type.COMMITTED);
    try (JsonStreamWriter writer = writer(stream)) {
      check(offset(done(writer.append(rows(10, 11), 0))) == 0, "the first offset");
      check(offset(done(writer.append(new JSONArray().put(full(12)), 2))) == 2, "the next offset");
      fails(writer.append(rows(99), 0), Exceptions.OffsetAlreadyExists.class);
      fails(writer.append(rows(99), 9), Exceptions.OffsetOutOfRange.class);
    }
    check(client.finalizeWriteStream(stream).getRowCount() == 3, "rows of the committed stream");
    try (JsonStreamWriter writer = writer(stream)) {
      fails(writer.append(rows(99), 3), Exceptions.StreamFinalizedException.class);
    }
  }

  private void bufferedStream() throws Exception {
    String stream = create(WriteStream.Type.BUFFERED);
    try (JsonStreamWriter writer = writer(stream)) {
      done(writer.append(rows(20, 21, 22), 0));
    }
    check(flush(stream, 0) == 0, "flushed up to 0");
    check(flush(stream, 1) == 1, "flushed up to 1");
    check(flush(stream, 1) == 1, "a repeated flush of an open stream");
    try {
      flush(stream, 3);
      throw new AssertionError("rows that do not exist were flushed");
    } catch (OutOfRangeException expected) {
      check(expected.getMessage().contains("is beyond the end of the stream"), expected.getMessage());
    }
    check(client.finalizeWriteStream(stream).getRowCount() == 3, "rows of the buffered stream");
    for (int offset : new int[] {1, 2}) {
      try {
        flush(stream, offset);
        throw new AssertionError("a finalized stream was flushed");
      } catch (InvalidArgumentException expected) {
        check(expected.getMessage().contains("Stream has been finalized"), expected.getMessage());
      }
    }
  }

  private void pendingStream() throws Exception {
    String stream = create(WriteStream.Type.PENDING);
    try (JsonStreamWriter writer = writer(stream)) {
      done(writer.append(rows(30), 0));
      done(writer.append(new JSONArray().put(full(31)), 1));
    }
    client.finalizeWriteStream(stream);
    BatchCommitWriteStreamsRequest commit = BatchCommitWriteStreamsRequest.newBuilder()
        .setParent(PARENT)
        .addWriteStreams(stream)
        .build();
    check(client.batchCommitWriteStreams(commit).hasCommitTime(), "the commit of a pending stream");
  }

  /** The server refuses a row that the client accepts; the client says which one. */
  private void badRow() throws Exception {
    JSONArray rows = rows(40, 41).put(new JSONObject().put("id", 42).put("extra", "{not JSON"));
    try (JsonStreamWriter writer = JsonStreamWriter.newBuilder(PARENT, client).build()) {
      Exceptions.AppendSerializationError refused =
          fails(writer.append(rows), Exceptions.AppendSerializationError.class);
      check(refused.getRowIndexToErrorMessage().keySet().equals(java.util.Set.of(2)),
          "the bad row: " + refused.getRowIndexToErrorMessage());
      done(writer.append(rows(40, 41)));
    }
  }

  /** A writer that is open while a column is added learns of it from a response. */
  private void newColumn() throws Exception {
    try (JsonStreamWriter writer = JsonStreamWriter.newBuilder(PARENT, client).build()) {
      done(writer.append(rows(50)));
      String path = "/datasets/" + DATASET + "/tables/" + TABLE;
      JSONArray fields = new JSONArray(SCHEMA)
          .put(new JSONObject().put("name", "added").put("type", "STRING"));
      call("PATCH", path, new JSONObject().put("schema", new JSONObject().put("fields", fields)));
      done(writer.append(rows(51)));
      JSONArray row = new JSONArray().put(new JSONObject().put("id", 52).put("added", "later"));
      done(writer.append(row));
    }
  }

  // --------------------------------------------------------------------------------------- helpers

  private void createTable() throws Exception {
    JSONObject dataset = new JSONObject().put("datasetId", DATASET);
    call("POST", "/datasets", new JSONObject().put("datasetReference", dataset));
    JSONObject table = new JSONObject()
        .put("tableReference", new JSONObject().put("tableId", TABLE))
        .put("schema", new JSONObject().put("fields", new JSONArray(SCHEMA)));
    call("POST", "/datasets/" + DATASET + "/tables", table);
  }

  private void call(String method, String path, JSONObject body) throws Exception {
    URI uri = URI.create("http://" + rest + "/bigquery/v2/projects/" + PROJECT + path);
    HttpRequest request = HttpRequest.newBuilder(uri)
        .header("Content-Type", "application/json")
        .method(method, HttpRequest.BodyPublishers.ofString(body.toString()))
        .build();
    HttpResponse<String> response =
        HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    check(response.statusCode() == 200, method + " " + path + ": " + response.body());
  }

  private String create(WriteStream.Type type) {
    CreateWriteStreamRequest request = CreateWriteStreamRequest.newBuilder()
        .setParent(PARENT)
        .setWriteStream(WriteStream.newBuilder().setType(type))
        .build();
    return client.createWriteStream(request).getName();
  }

  private JsonStreamWriter writer(String stream) throws Exception {
    return JsonStreamWriter.newBuilder(stream, client).build();
  }

  private long flush(String stream, long offset) {
    FlushRowsRequest request = FlushRowsRequest.newBuilder()
        .setWriteStream(stream)
        .setOffset(Int64Value.of(offset))
        .build();
    return client.flushRows(request).getOffset();
  }

  private static AppendRowsResponse done(ApiFuture<AppendRowsResponse> append) throws Exception {
    AppendRowsResponse response = append.get(60, TimeUnit.SECONDS);
    check(!response.hasError(), "append: " + response.getError());
    return response;
  }

  private static long offset(AppendRowsResponse response) {
    return response.getAppendResult().getOffset().getValue();
  }

  private static <E extends Throwable> E fails(
      ApiFuture<AppendRowsResponse> append, Class<E> wanted) throws Exception {
    try {
      append.get(60, TimeUnit.SECONDS);
    } catch (ExecutionException failed) {
      if (wanted.isInstance(failed.getCause())) {
        return wanted.cast(failed.getCause());
      }
      throw new AssertionError("not " + wanted.getSimpleName(), failed.getCause());
    }
    throw new AssertionError("accepted, but " + wanted.getSimpleName() + " was expected");
  }

  private static void check(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }
}
