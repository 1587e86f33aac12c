"""Makes the Parquet files beside this script: `pip install pyarrow==26.0.1 numpy`, then run it."""

import datetime as dt
import decimal
import json
import os
import struct
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

here = os.path.dirname(os.path.abspath(__file__))
D = decimal.Decimal
BIG = D("-" + "9" * 38 + "." + "9" * 38)
utc = dt.timezone.utc

# The values of two rows; a third one has none.
columns = {
    "flag": (pa.bool_(), [True, False]),
    "int8": (pa.int8(), [-128, 127]),
    "int64": (pa.int64(), [-(2**63), 2**53 + 1]),
    "uint8": (pa.uint8(), [0, 255]),
    "uint32": (pa.uint32(), [0, 2**32 - 1]),
    "uint64": (pa.uint64(), [2**63, 2**64 - 1]),
    "half": (pa.float16(), [0.5, 65504.0]),
    "float": (pa.float32(), [0.1, float("nan")]),
    "double": (pa.float64(), [0.1, float("-inf")]),
    "text": (pa.string(), ['a "quoted"\nline', "Straße"]),
    "bytes": (pa.binary(), [b"", b"\x00\xff"]),
    "fixed": (pa.binary(3), [b"abc", b"\x00\x01\x02"]),
    "date": (pa.date32(), [dt.date(1, 1, 1), dt.date(2026, 11, 21)]),
    "time_millis": (pa.time32("ms"), [dt.time(0, 0, 0), dt.time(23, 59, 59, 999000)]),
    "time_micros": (pa.time64("us"), [dt.time(0, 0, 0, 1), dt.time(23, 59, 59, 999999)]),
    "time_nanos": (pa.time64("ns"), [1, 86_399_999_999_999]),
    "at_millis": (pa.timestamp("ms", tz="UTC"), [-1, 1_795_219_200_123]),
    "at_micros": (pa.timestamp("us", tz="Europe/Berlin"), [-1, 1_795_219_200_123_456]),
    "at_nanos": (pa.timestamp("ns", tz="UTC"), [-1, 1_795_219_200_123_456_789]),
    "local_micros": (pa.timestamp("us"), [-1, 1_795_219_200_123_456]),
    "decimal_9": (pa.decimal128(9, 2), [D("-1234567.89"), D("0.05")]),
    "decimal_18": (pa.decimal128(18, 0), [D(10**18 - 1), D(0)]),
    "decimal_38": (pa.decimal128(38, 9), [D("-" + "9" * 29 + "." + "9" * 9), D("1e-9")]),
    "decimal_76": (pa.decimal256(76, 38), [BIG, D(1)]),
    "list": (pa.list_(pa.int32()), [[], [1, None, 3]]),
    "lists": (pa.list_(pa.list_(pa.string())), [[[], ["a"], None], [["b", "c"]]]),
    "record": (
        pa.struct([("a", pa.int32()), ("b", pa.struct([("c", pa.string())]))]),
        [{"a": None, "b": {"c": None}}, {"a": 1, "b": None}],
    ),
    "records": (
        pa.list_(pa.struct([("x", pa.int64()), ("y", pa.list_(pa.bool_()))])),
        [[{"x": 1, "y": [True, False]}, {"x": None, "y": None}], []],
    ),
    "map": (pa.map_(pa.string(), pa.float64()), [[("a", 1.5), ("b", None)], []]),
    "map_of_int": (pa.map_(pa.int32(), pa.list_(pa.int32())), [[(1, [1, 2]), (-2, [])], []]),
    "nothing": (pa.null(), [None, None]),
}
if hasattr(pa, "uuid"):
    ids = [uuid.UUID(int=0), uuid.UUID("0190c2a5-7f3e-7b4c-8d2e-0123456789ab")]
    columns["uuid"] = (pa.uuid(), [i.bytes for i in ids])
if hasattr(pa, "json_"):
    columns["json"] = (pa.json_(), ['{"a": [1, 2.50]}', "not JSON"])


def array(kind, values):
    values = values + [None]
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    if pa.types.is_float16(kind):
        import numpy as np

        mask = np.array([value is None for value in values])
        return pa.array(np.array([v or 0 for v in values], dtype=np.float16), mask=mask)
    return pa.array(values, kind)


table = pa.table({name: array(kind, values) for name, (kind, values) in columns.items()})
# The types of the first version of the format, and its INT96.
old = {name: columns[name] for name in ("text", "date", "uint32", "decimal_9", "at_micros")}
old["int96"] = columns["at_nanos"]
old = pa.table({name: array(kind, values) for name, (kind, values) in old.items()})


def write(name, table, **options):
    pq.write_table(table, os.path.join(here, name), **options)


write("types.parquet", table, compression="snappy", row_group_size=2)
write("old.parquet", old, version="1.0", use_deprecated_int96_timestamps=True, compression="none")

# Repeated values, in several pages of several row groups, once in each codec.
numbers = pa.table(
    {
        "order_id": [f"o{n}" for n in range(300)],
        "placed_at": pa.array(
            [1_795_132_800_000_000 + n * 1_000_000 for n in range(300)], pa.timestamp("us", "UTC")
        ),
        "amount": pa.array([D(n) / 4 for n in range(300)], pa.decimal128(12, 2)),
        "note": ["even" if n % 2 == 0 else None for n in range(300)],
    }
)
for codec in ("none", "snappy", "gzip", "lz4", "zstd", "brotli"):
    write(
        f"{codec}.parquet", numbers, compression=codec, row_group_size=128, data_page_size=256,
        data_page_version="2.0" if codec in ("gzip", "zstd") else "1.0",
        use_dictionary=["note"], column_encoding={"order_id": "DELTA_BYTE_ARRAY"} if codec == "zstd" else None,
        write_page_checksum=codec == "lz4",
    )


# Encrypted, with and without an encrypted footer.
class Kms(pe.KmsClient):
    def __init__(self, _):
        pe.KmsClient.__init__(self)

    def wrap_key(self, key, _):
        return key.hex()

    def unwrap_key(self, key, _):
        return bytes.fromhex(key)


factory = pe.CryptoFactory(lambda config: Kms(config))
for name, plaintext_footer in (("encrypted", False), ("encrypted-columns", True)):
    config = pe.EncryptionConfiguration(
        footer_key="footer", column_keys={"column": ["amount"]}, plaintext_footer=plaintext_footer
    )
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    with pq.ParquetWriter(
        os.path.join(here, f"{name}.parquet"), numbers.schema, encryption_properties=properties
    ) as writer:
        writer.write_table(numbers.slice(0, 10))
