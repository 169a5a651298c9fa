"""The plain network: a sum of bounded sines over frozen integer frequencies."""
