"""What the patterns of the document mean, in words, for those whose request did not match one."""

from api.schemas import fits, fleet, keys, results, signals, uploads, webhooks

_IDS = {
    signals.ID_PATTERN: signals.EXAMPLE_ID,
    uploads.ID_PATTERN: uploads.EXAMPLE_ID,
    fits.ID_PATTERN: fits.EXAMPLE_ID,
    results.CHECKPOINT_PATTERN: results.EXAMPLE_CHECKPOINT,
    fleet.ID_PATTERN: fleet.EXAMPLE_ID,
    keys.ID_PATTERN: keys.EXAMPLE_ID,
    webhooks.ENDPOINT_PATTERN: webhooks.EXAMPLE_ENDPOINT,
    webhooks.DELIVERY_PATTERN: webhooks.EXAMPLE_DELIVERY,
}
_LABEL = "lower-case letters, digits, _, . and -, beginning with a letter or a digit, at most 63 of them"
WORDS = {pattern: f"expected an id such as {example}" for pattern, example in _IDS.items()} | {
    fits.CURSOR_PATTERN: "expected the `next_cursor` of a page",
    r"^[\x21-\x7e]+$": "expected letters, digits and signs of ASCII, without spaces",
    r"^[a-z0-9][a-z0-9_.-]{0,62}$": f"expected {_LABEL}",
    r"^[a-z0-9][a-z0-9_.-]{0,62}=[^\x00-\x1f\x7f]{0,100}$": f"expected name=value, the name of {_LABEL}",
    r"^[^\x00-\x1f\x7f]*$": "expected text without control characters",
    r"^[^\x00]*$": "expected text without the character of code 0",
    rf"^{results.NUMBER}(?:,{results.NUMBER}){{1,7}}$": "expected two to eight numbers with commas, as 0,0,16.5,16",
    webhooks.SIGNING_PATTERN: "expected whsec_ and 24 to 64 bytes in base64",
    r"^[0-9a-f]{64}$": "expected 64 hexadecimal digits, in lower case",
    r"^https?://[\x21-\x7e]+$": "expected an address that begins with https:// or http://, without spaces",
}
