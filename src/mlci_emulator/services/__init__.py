"""The services that the emulator implements itself, by their operations."""
