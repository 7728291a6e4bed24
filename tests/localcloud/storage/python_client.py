"""Uses Google's own client against the storage service; prints what it saw as one JSON object."""

import io
import json
import sys

from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

endpoint, project = sys.argv[1:3]
client = storage.Client(
    project=project, credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
)
seen = {}

bucket = client.bucket("python-bucket")
bucket.iam_configuration.uniform_bucket_level_access_enabled = True
bucket.iam_configuration.public_access_prevention = "enforced"
bucket.versioning_enabled = True
bucket.labels = {"course": "ml"}
bucket.add_lifecycle_delete_rule(age=14)
bucket = client.create_bucket(bucket, location="europe-west1")
seen["bucket"] = [bucket.location, bucket.labels, list(bucket.lifecycle_rules)[0]["action"]["type"]]

small = bucket.blob("in/small.txt")
small.upload_from_string("hello", content_type="text/plain", checksum="crc32c")
seen["small"] = small.download_as_text()
seen["range"] = small.download_as_bytes(start=1, end=3).decode()

large = bucket.blob("in/large.bin", chunk_size=4 * 1024 * 1024)
content = bytes(range(256)) * (4 * 9 * 1024)  # 9 MiB: a resumable upload of three chunks
large.upload_from_file(io.BytesIO(content), size=len(content), checksum="md5")
seen["large"] = large.download_as_bytes(checksum="crc32c") == content
seen["size"] = large.size

small.metadata = {"by": "python"}
small.patch()
seen["metadata"] = [bucket.get_blob("in/small.txt").metadata, small.metageneration]

try:
    bucket.blob("in/small.txt").upload_from_string("x", if_generation_match=0)
except exceptions.PreconditionFailed as error:
    seen["precondition"] = error.code

seen["list"] = [blob.name for blob in client.list_blobs(bucket, prefix="in/", page_size=1)]
folders = client.list_blobs(bucket, delimiter="/")
seen["items"] = [blob.name for blob in folders]
seen["prefixes"] = sorted(folders.prefixes)

whole = bucket.blob("composed.txt")
whole.compose([small, small])
seen["composed"] = [whole.download_as_text(), whole.component_count]
copy = bucket.copy_blob(small, bucket, "copy.txt")
seen["copy"] = copy.download_as_text()
renamed = bucket.rename_blob(copy, "renamed.txt")
seen["renamed"] = [renamed.name, bucket.blob("copy.txt").exists()]
rewritten = bucket.blob("rewritten.txt")
seen["rewrite"] = rewritten.rewrite(small)[1] == 5

policy = bucket.get_iam_policy(requested_policy_version=3)
policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"user:a@example.org"}})
policy.version = 3
bucket.set_iam_policy(policy)
seen["policy"] = [
    sorted(binding["members"])
    for binding in bucket.get_iam_policy(requested_policy_version=3).bindings
    if binding["role"] == "roles/storage.objectViewer"
]
seen["permissions"] = bucket.test_iam_permissions(["storage.objects.get"])

with client.batch():
    bucket.delete_blob("renamed.txt")
    bucket.delete_blob("rewritten.txt")
seen["after batch"] = [bucket.blob(name).exists() for name in ("renamed.txt", "rewritten.txt", "composed.txt")]

bucket.delete_blob("in/small.txt")
seen["deleted"] = bucket.blob("in/small.txt").exists()
seen["versions"] = len(list(client.list_blobs(bucket, prefix="in/small", versions=True)))
try:
    bucket.delete()
except exceptions.Conflict as error:
    seen["not empty"] = error.code
for blob in client.list_blobs(bucket, versions=True):
    bucket.delete_blob(blob.name, generation=blob.generation)
soft = list(client.list_blobs(bucket, prefix="in/small", soft_deleted=True))
restored = bucket.restore_blob("in/small.txt", generation=soft[0].generation)
seen["restored"] = restored.download_as_text()
for blob in client.list_blobs(bucket, versions=True):
    bucket.delete_blob(blob.name, generation=blob.generation)
bucket.delete()
seen["gone"] = client.lookup_bucket("python-bucket") is None
try:
    client.bucket("python-bucket").blob("x").download_as_bytes()
except exceptions.NotFound as error:
    seen["not found"] = error.code
print(json.dumps(seen))
