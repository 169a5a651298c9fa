"""Objects that lose their bytes, in the ways in which that is seen: what reads them must notice each."""

from store.blobs import BlobStore


def damage(blobs: BlobStore, key: str, how: str) -> bytes:
    """Spoil an object; returns what it was.

    Args:
        blobs: storage with the object.
        key: name of the object in the bucket.
        how: "deleted", "truncated", "longer" or "swapped" for other bytes of equal length; nothing is done for another
            word, such as "rotten", which only storage itself can play.
    """
    content = blobs.read(key)
    match how:
        case "deleted":
            blobs.delete(key)
        case "truncated":
            blobs.put(key, content[:-3])
        case "longer":
            blobs.put(key, content + b"\0")
        case "swapped":
            blobs.put(key, content[:-1] + bytes([content[-1] ^ 1]))
    return content


def code_of(how: str) -> str:
    """What the service calls an object that was spoilt like this."""
    return "blob_missing" if how == "deleted" else "blob_damaged"
