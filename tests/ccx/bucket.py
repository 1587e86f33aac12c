"""The bucket that archives are uploaded to."""

import boto3
from botocore.config import Config

NAME = "insights-upload"
A_WEEK = 7 * 24 * 3600
CONTENT_TYPES = {"broken-not-an-archive": "text/html", "broken-json": "application/json"}


class Bucket:
    """A bucket on a server that takes any credentials."""

    def __init__(self, address):
        self.s3 = boto3.client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="access",
            aws_secret_access_key="secret",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def create(self):
        self.s3.create_bucket(Bucket=NAME)

    def upload(self, entry, content):
        """Uploads an archive, an entry of the manifest."""
        kind = CONTENT_TYPES.get(entry["name"], "application/gzip")
        self.s3.put_object(Bucket=NAME, Key=key(entry), Body=content, ContentType=kind)

    def url(self, entry):
        """A signed URL of an archive, whether it is there or not."""
        params = {"Bucket": NAME, "Key": key(entry)}
        return self.s3.generate_presigned_url("get_object", Params=params, ExpiresIn=A_WEEK)


def key(entry):
    return f"archives/{entry['cluster']}/{entry['name']}"
