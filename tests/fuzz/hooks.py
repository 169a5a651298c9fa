"""Read by schemathesis: what a picture looks like, so that some uploads succeed and fits have something to fit."""

from hypothesis import strategies as st
from schemathesis import openapi

from tests.integration.api.images import png

PICTURES = st.sampled_from([png(), png("L", (1, 1)), png("RGBA"), png(form="JPEG")])

for media_type in ("image/*", "application/octet-stream"):
    openapi.media_type(media_type, PICTURES | st.binary(max_size=100))
