"""Large signals by target: cut into tiles that are fitted one by one and blended."""
