"""A load job of a file by Google's Python client. Arguments: the file, its format, the day, the URL of BigQuery, the
table. Prints the number of rows."""

import sys

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

path, source_format, day, url, table = sys.argv[1:]
client = bigquery.Client(table.split(".")[0], AnonymousCredentials(), client_options=ClientOptions(api_endpoint=url))
config = bigquery.LoadJobConfig(source_format=source_format, write_disposition="WRITE_TRUNCATE")
config.schema = client.get_table(table).schema
if source_format == "CSV":
    config.skip_leading_rows = 1
with open(path, "rb") as file:
    print(client.load_table_from_file(file, f"{table}${day}", job_config=config).result().output_rows)
