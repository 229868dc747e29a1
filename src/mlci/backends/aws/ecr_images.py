"""ECR: the images that a flow builds, each under the hash of its content, and used by its digest."""

from __future__ import annotations

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.errors import CloudError
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class ImageAddress:
    """The parts of an image's URI: `<registry>/<repository>:<tag>`."""

    registry: str
    repository: str
    tag: str

    def by_digest(self, digest: str) -> str:
        """Return the URI that names one image, whatever becomes of the tag."""
        return f"{self.registry}/{self.repository}@{digest}"


def image_address(uri: str) -> ImageAddress:
    """Return the parts of an image's URI.

    >>> image_address("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlci-iris:0a1b")
    ImageAddress(registry='123456789012.dkr.ecr.eu-west-1.amazonaws.com', repository='mlci-iris', tag='0a1b')
    """
    registry, _, rest = uri.partition("/")
    repository, _, tag = rest.rpartition(":")
    return ImageAddress(registry, repository, tag)


@dataclass(frozen=True)
class PushedImages:
    """The images of an account's registry.

    Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html
    """

    api: Api

    def digest(self, image: ImageAddress) -> str | None:
        """Return the digest of an image; None if there is none of that tag.

        Raises: CloudError, if there is no such repository.
        """
        try:
            request = {"repositoryName": image.repository, "imageIds": [{"imageTag": image.tag}]}
            details = self.api.call("describe_images", **request)["imageDetails"]
        except AwsError as error:
            if error.code == "ImageNotFoundException":
                return None
            raise _translated(error, image.repository) from error
        return str(details[0]["imageDigest"]) if details else None

    def newest(self, repository: str) -> str | None:
        """Return the digest of the image that was pushed last; None for an empty repository."""
        try:
            details = [
                image
                for page in self.api.pages("describe_images", ("nextToken", "nextToken"), repositoryName=repository)
                for image in page["imageDetails"]
            ]
        except AwsError as error:
            raise _translated(error, repository) from error
        newest = max(details, key=lambda image: image["imagePushedAt"], default=None)
        return str(newest["imageDigest"]) if newest else None

    def authorization(self) -> str:
        """Return the user and password of the registry, in base64: it is valid for twelve hours.

        Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
        """
        data = self.api.call("get_authorization_token")["authorizationData"]
        return str(data[0]["authorizationToken"])


def _translated(error: AwsError, repository: str) -> CloudError:
    if error.code != "RepositoryNotFoundException":
        return error
    what = f'there is no repository "{repository}" in ECR, for the images that the flow builds'
    return CloudError(what, hint="`mlci bootstrap` creates it, with the rights that builds need.")
