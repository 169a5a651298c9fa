"""Representations for other programs. The weights are those of the file, unpacked to float32."""
