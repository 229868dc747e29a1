"""The store: a directory in the place of S3."""
