"""moto, for every service that is not the emulator's own."""
