"""The core in another engine than the library's: the same integers and the same values, to the last bit."""
