"""What every file has, whatever its network: header, chunks, checksums, metadata."""
